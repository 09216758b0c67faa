public import NetTypes
import PacketFilter

/// The differences between the host and its state after `change`; empty if the change would change nothing.
///
/// ADD skips a change without differences; CHECK reports the differences.
public func differences<K: Kernel & ~Copyable>(
  from change: Change, on kernel: inout K
) throws(KernelError) -> [String] {
  switch change {
  case .createLink(let spec): return try differences(from: spec, on: &kernel)
  case .changeLink(let name, let netns, let wanted):
    guard let link = try kernel.link(name, on: netns) else { return ["\(netns) link \(name) is missing"] }
    return try differences(of: link, on: netns, from: wanted, on: &kernel)
  case .setVLANs(let wanted, let name):
    guard try kernel.link(name, on: .host) != nil else { return ["host link \(name) is missing"] }
    return wanted.differences(in: try kernel.vlans(of: name)).map { "host link \(name) \($0)" }
  case .awaitRunning(let name):
    guard let link = try kernel.link(name, on: .host), link.isRunning else { return ["link \(name) is not running"] }
    return []
  case .addAddress(let spec):
    return try isPresent(spec, on: &kernel)
      ? [] : ["\(spec.netns) address \(spec.prefix) is missing on \(spec.interface)"]
  case .deleteAddress(let spec):
    return try isPresent(spec, on: &kernel)
      ? ["\(spec.netns) address \(spec.prefix) is still on \(spec.interface)"] : []
  case .addRoute(let spec):
    let there = try ifPresent { () throws(KernelError) in try kernel.routes(of: spec.interface, on: spec.netns) }
    return there?.contains(where: spec.isMet) == true ? [] : ["\(spec.netns) route \(spec.words) is missing"]
  case .setTables(let wanted): return try differences(from: wanted, on: &kernel)
  case .setFDB(let spec): return try differences(from: spec, on: &kernel)
  case .awaitWithdrawal(let spec): return try differences(withdrawing: spec, on: &kernel)
  case .setNeighbour(let spec) where spec.mac != nil && spec.netns == .host:
    return try differences(from: spec, on: &kernel)
  case .setChecksumOffload(let name, let isOn): return try differences(of: name, offloading: isOn, on: &kernel)
  case .setSysctls(let settings, let netns): return try differences(from: settings, on: netns, &kernel)
  case .addRules(let ruleSet), .setRules(let ruleSet): return try differences(from: ruleSet, by: change, on: &kernel)
  case .enableRouteLocalnet(let name, _): return try differences(from: [.routeLocalnet(name, "1")], on: .host, &kernel)
  // The result of these changes cannot be seen, or the check of their links covers them.
  case .disableRouteLocalnet, .routeLoopback, .forgetConnections, .removeRules, .removeOtherRules, .deleteLink,
    .deleteUnusedBridge,
    .deleteUnroutedLink, .deleteRoute, .setNeighbour, .deleteNeighbour, .deleteFDB, .awaitDAD, .removeReferenceRules,
    .announce:
    return []
  }
}

private func differences<K: Kernel & ~Copyable>(
  withdrawing spec: FDBSpec, on kernel: inout K
) throws(KernelError) -> [String] {
  let there = try ifPresent { () throws(KernelError) in try kernel.forwarding(of: spec.interface) }
  return there?.contains(spec) == true ? ["forwarding entry \(spec.mac) is still on \(spec.interface)"] : []
}

private func differences<K: Kernel & ~Copyable>(from spec: FDBSpec, on kernel: inout K) throws(KernelError) -> [String]
{
  let there = try ifPresent { () throws(KernelError) in try kernel.forwarding(of: spec.interface) }
  // Linux < 4.20 has no sticky entries.
  let accepted = spec.table == .port ? [spec, FDBSpec(spec.mac, on: spec.interface, in: .master)] : [spec]
  return there?.contains(where: accepted.contains) == true
    ? [] : ["forwarding entry \(spec.mac) is missing on \(spec.interface)"]
}

private func differences<K: Kernel & ~Copyable>(
  from spec: NeighbourSpec, on kernel: inout K
) throws(KernelError) -> [String] {
  let there = try ifPresent { () throws(KernelError) in try kernel.neighbours(of: spec.interface) }
  return there?.contains { $0.address == spec.address } == true
    ? [] : ["neighbour \(spec.address) is missing on \(spec.interface)"]
}

private func differences<K: Kernel & ~Copyable>(
  of name: InterfaceName, offloading isOn: Bool, on kernel: inout K
) throws(KernelError) -> [String] {
  let there = try ifPresent { () throws(KernelError) in try kernel.offloadsChecksums(name) }
  return there == isOn ? [] : ["checksum offload of \(name) is not \(isOn ? "on" : "off")"]
}

func ifPresent<Value>(_ body: () throws(KernelError) -> Value) throws(KernelError) -> Value? {
  do throws(KernelError) { return try body() } catch {
    guard error.errno == .ENODEV else { throw error }
    return nil
  }
}

private func differences<K: Kernel & ~Copyable>(
  from spec: LinkSpec, on kernel: inout K
) throws(KernelError) -> [String] {
  guard let link = try kernel.link(spec.name, on: spec.netns) else {
    return ["\(spec.netns) link \(spec.name) is missing"]
  }
  switch spec.kind {
  case .dummy: return link.kind == "dummy" ? [] : [link.kindMismatch(expected: "dummy", on: spec.netns)]
  case .vrf(let table):
    guard link.kind == "vrf", let there = link.vrfTable else { return [link.kindMismatch(expected: "vrf", on: .host)] }
    return there == table ? [] : ["host link \(spec.name) has table \(there), want \(table)"]
  case .vxlan(let wanted, let below):
    guard link.kind == "vxlan", let there = link.vxlan else { return [link.kindMismatch(expected: "vxlan", on: .host)] }
    var found = wanted.isMet(by: there) ? [] : ["host link \(spec.name) is \(there), want \(wanted)"]
    if let below, try kernel.link(below, on: .host)?.index != link.parentIndex {
      found.append("host link \(spec.name) does not send by \(below)")
    }
    return found
  case .upper(let wanted, let place):
    guard link.kind == wanted.kind, let there = link.upper else {
      return [link.kindMismatch(expected: wanted.kind, on: spec.netns)]
    }
    var found = wanted.differences(in: there).map { "\(spec.netns) link \(spec.name) \($0)" }
    let parent = try kernel.link(place.name, on: place.netns)
    if parent?.index != link.parentIndex { found.append("\(spec.netns) link \(spec.name) is not over \(place.name)") }
    return found
  case .bridge(let filtersVLANs):
    guard link.kind == "bridge" else { return [link.kindMismatch(expected: "bridge", on: .host)] }
    return filtersVLANs && link.filtersVLANs == false ? ["host link \(spec.name) does not filter VLANs"] : []
  case .veth(let peer): return try differences(from: peer, of: link, on: &kernel)
  }
}

private func differences<K: Kernel & ~Copyable>(
  from peer: LinkSpec.Peer, of link: LinkInfo, on kernel: inout K
) throws(KernelError) -> [String] {
  guard let inside = try kernel.link(peer.name, on: peer.netns) else {
    return ["\(peer.netns) link \(peer.name) is missing"]
  }
  var found = inside.kind == "veth" ? [] : [inside.kindMismatch(expected: "veth", on: peer.netns)]
  if inside.peerIndex != link.index || link.peerIndex != inside.index {
    found.append("\(peer.netns) link \(peer.name) and host link \(link.name) are not a pair")
  }
  return found
}

extension LinkInfo {
  fileprivate func kindMismatch(expected wanted: String, on netns: NetNS) -> String {
    "\(netns) link \(name) is \(kind ?? "no \(wanted)"), want \(wanted)"
  }
}

extension VXLAN {
  /// Whether `there`, as the kernel reports it, has these settings; settings that are `nil` here may have any value.
  public func isMet(by there: VXLAN) -> Bool {
    func agrees<Value: Equatable>(_ wanted: Value?, _ there: Value?) -> Bool { wanted == nil || wanted == there }
    return vni == there.vni && port == there.port && learns == there.learns && agrees(local, there.local)
      && group == there.group && agrees(ttl, there.ttl) && agrees(df, there.df)
      && agrees(udpChecksum, there.udpChecksum) && agrees(sendsZeroChecksums, there.sendsZeroChecksums)
      && agrees(takesZeroChecksums, there.takesZeroChecksums)
  }
}

extension UpperLink {
  /// The broadcast queue belongs to the parent: other links may have made it longer.
  fileprivate func differences(in there: UpperLink) -> [String] {
    switch (self, there) {
    case (.macvlan(let wanted), .macvlan(let there)) where wanted.mode.isMet(by: there.mode): []
    case (.ipvlan, .ipvlan) where self == there: []
    case (.vlan, .vlan) where self == there: []
    default: ["is \(there), want \(self)"]
    }
  }
}

extension Macvlan.Mode {
  fileprivate func isMet(by there: Macvlan.Mode) -> Bool {
    guard case .source(let wanted) = self, case .source(let allowed) = there else { return self == there }
    return Set(wanted) == Set(allowed)
  }
}

private func differences<K: Kernel & ~Copyable>(
  of link: LinkInfo, on netns: NetNS, from wanted: LinkChange, on kernel: inout K
) throws(KernelError) -> [String] {
  var found: [String] = []
  func compare<Value: Equatable>(_ what: String, _ there: Value?, _ want: Value?) {
    guard let want, there != want else { return }
    found.append("\(netns) link \(link.name) has \(what) \(there.map { "\($0)" } ?? "none"), want \(want)")
  }
  compare("state up", link.isUp, wanted.isUp)
  compare("promiscuous mode", link.isPromiscuous, wanted.isPromiscuous)
  compare("all-multicast mode", link.isAllMulticast, wanted.isAllMulticast)
  compare("MTU", link.mtu, wanted.mtu)
  compare("transmit queue length", link.txQueueLength, wanted.txQueueLength)
  compare("MAC", link.mac, wanted.mac)
  // Not compared once there are ports: CHECK accepts attachments of earlier versions.
  if wanted.mac != nil, link.keepsMAC == false, !link.isRunning {
    found.append("\(netns) link \(link.name) has a MAC that follows its ports, want it to stay")
  }
  compare("alias", link.alias, wanted.alias)
  // Pairs of `ptp` from earlier versions have no group.
  if link.kind != "veth" { compare("group", link.group, wanted.group) }
  compare("local", link.vxlan?.local, wanted.local)
  compare("hairpin", link.port?.hairpin, wanted.port.hairpin)
  compare("isolated", link.port?.isolated, wanted.port.isolated)
  compare("learning", link.port?.learning, wanted.port.learning)
  compare("neigh_suppress", link.port?.neighSuppress, wanted.port.neighSuppress)
  if link.port?.locked != nil { compare("locked", link.port?.locked, wanted.port.locked) }
  if let master = wanted.master {
    let there: LinkInfo? = if let index = link.master { try kernel.link(index: index, on: netns) } else { nil }
    compare("master", there?.name, master)
  }
  return found
}

private func differences<K: Kernel & ~Copyable>(
  from settings: [Sysctl], on netns: NetNS, _ kernel: inout K
) throws(KernelError) -> [String] {
  var found: [String] = []
  for setting in settings where !setting.isOptional {
    let there = try kernel.sysctl(setting.key, on: netns)
    if there.map(setting.isMet) != true {
      found.append("\(netns) sysctl \(setting.key) is \(there ?? "missing"), want \(setting.value)")
    }
  }
  return found
}

extension RouteSpec {
  /// Whether `other`, as the kernel reports it, is this route; attributes that are `nil` here may have any value.
  fileprivate func isMet(by other: RouteSpec) -> Bool {
    func agrees<Value: Equatable>(_ wanted: Value?, _ there: Value?) -> Bool { wanted == nil || wanted == there }
    // The container's other networks determine the metrics of its default routes.
    let agreesOnMetric = netns == .container && dst.length == 0 || agrees(priority, other.priority)
    return dst.network == other.dst.network && gateway == other.gateway && agreesOnMetric
      && agrees(table, other.table) && agrees(source, other.source)
  }

  fileprivate var words: String { "\(dst)\(gateway.map { " via \($0)" } ?? "") on \(interface)" }
}

extension PortVLANs {
  fileprivate func differences(in there: PortVLANs) -> [String] {
    var found: [String] = []
    if let native, there.native != native {
      found.append("has native VLAN \(there.native?.description ?? "none"), want \(native)")
    }
    if !keepsDefault, there.keepsDefault, let one = VLANID(1), native != one, !contains(tagged: one) {
      found.append("passes VLAN 1, want it not to")
    }
    for range in tagged {
      let missing = (range.lowerBound.number...range.upperBound.number).compactMap(VLANID.init)
        .filter { !there.contains(tagged: $0) && there.native != $0 }
      if let first = missing.first { found.append("does not pass VLAN \(first)") }
    }
    return found
  }
}

/// The differences between the packet filter and a rule set's rules; `setRules` also compares the recorded rules.
func differences<K: Kernel & ~Copyable>(
  from ruleSet: RuleSet, by change: Change, on kernel: inout K
) throws(KernelError) -> [String] {
  var added: [Rule]? = ruleSet.rules
  if case .setRules = change { added = try kernel.filter.ruleSet(of: ruleSet.owner, ruleSet.role)?.rules }
  let missing = added == ruleSet.rules ? try kernel.filter.missing(from: ruleSet) : ruleSet.rules
  return try missing.map { "packet filter: \($0) is missing" }
    + kernel.filter.drops(for: ruleSet).map { "packet filter: \($0)" }
}

func differences<K: Kernel & ~Copyable>(
  from wanted: TunnelTables, on kernel: inout K
) throws(KernelError) -> [String] {
  let found = try ifPresent { () throws(KernelError) in try kernel.tables(like: wanted) }
  return wanted.changes(from: found ?? TunnelTables(of: wanted.device)).map { "want: \($0)" }
}

func isPresent<K: Kernel & ~Copyable>(_ spec: AddressSpec, on kernel: inout K) throws(KernelError) -> Bool {
  let found = try ifPresent { () throws(KernelError) in try kernel.addresses(of: spec.interface, on: spec.netns) }
  return found?.contains(spec.prefix) == true
}
