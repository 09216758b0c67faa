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
  case .addRoute(let spec): return try differences(from: spec, on: &kernel)
  case .setTunnelTables(let wanted): return try differences(from: wanted, on: &kernel)
  case .setFDB(let spec): return try differences(from: spec, on: &kernel)
  case .awaitFDBRemoval(let spec): return try differences(withdrawing: spec, on: &kernel)
  case .setNeighbour(let spec) where spec.mac != nil && spec.netns == .host:
    return try differences(from: spec, on: &kernel)
  case .setChecksumOffload(let name, let isOn): return try differences(of: name, offloading: isOn, on: &kernel)
  case .setSysctls(let settings, let netns): return try differences(from: settings, on: netns, &kernel)
  case .addRules(let ruleSet), .setRules(let ruleSet): return try differences(from: ruleSet, by: change, on: &kernel)
  case .enableRouteLocalnet(let name, _): return try differences(from: [.routeLocalnet(name, "1")], on: .host, &kernel)
  // The result of these changes cannot be seen, or the check of their links covers them.
  case .disableRouteLocalnet, .addLoopbackRoute, .deleteConntrackEntries, .removeRules, .removeStaleRules, .deleteLink,
    .deleteUnusedBridge, .deleteUnroutedLink, .deleteRoute, .setNeighbour, .deleteNeighbour, .deleteFDB, .awaitDAD,
    .removeReferencePluginRules, .announce:
    return []
  }
}

private func differences<K: Kernel & ~Copyable>(
  from spec: RouteSpec, on kernel: inout K
) throws(KernelError) -> [String] {
  let actual = try nilIfLinkMissing { () throws(KernelError) in
    try kernel.routes(of: spec.interface, on: spec.netns)
  }
  return actual?.contains(where: spec.matches) == true ? [] : ["\(spec.netns) route \(spec.summary) is missing"]
}

private func differences<K: Kernel & ~Copyable>(
  withdrawing spec: FDBSpec, on kernel: inout K
) throws(KernelError) -> [String] {
  let actual = try nilIfLinkMissing { () throws(KernelError) in try kernel.fdbEntries(of: spec.interface) }
  return actual?.contains(spec) == true ? ["forwarding entry \(spec.mac) is still on \(spec.interface)"] : []
}

private func differences<K: Kernel & ~Copyable>(from spec: FDBSpec, on kernel: inout K) throws(KernelError) -> [String]
{
  let actual = try nilIfLinkMissing { () throws(KernelError) in try kernel.fdbEntries(of: spec.interface) }
  // Linux < 4.20 has no sticky entries.
  let accepted = spec.table == .port ? [spec, FDBSpec(spec.mac, on: spec.interface, in: .master)] : [spec]
  return actual?.contains(where: accepted.contains) == true
    ? [] : ["forwarding entry \(spec.mac) is missing on \(spec.interface)"]
}

private func differences<K: Kernel & ~Copyable>(
  from spec: NeighbourSpec, on kernel: inout K
) throws(KernelError) -> [String] {
  let actual = try nilIfLinkMissing { () throws(KernelError) in try kernel.neighbours(of: spec.interface) }
  return actual?.contains { $0.address == spec.address } == true
    ? [] : ["neighbour \(spec.address) is missing on \(spec.interface)"]
}

private func differences<K: Kernel & ~Copyable>(
  of name: InterfaceName, offloading isOn: Bool, on kernel: inout K
) throws(KernelError) -> [String] {
  let actual = try nilIfLinkMissing { () throws(KernelError) in try kernel.offloadsChecksums(name) }
  return actual == isOn ? [] : ["checksum offload of \(name) is not \(isOn ? "on" : "off")"]
}

func nilIfLinkMissing<Value>(_ body: () throws(KernelError) -> Value) throws(KernelError) -> Value? {
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
    guard link.kind == "vrf", let actual = link.vrfTable else { return [link.kindMismatch(expected: "vrf", on: .host)] }
    return actual == table ? [] : ["host link \(spec.name) has table \(actual), want \(table)"]
  case .vxlan(let wanted, let underlayLink):
    guard link.kind == "vxlan", let actual = link.vxlan else {
      return [link.kindMismatch(expected: "vxlan", on: .host)]
    }
    var found = wanted.matches(actual) ? [] : ["host link \(spec.name) is \(actual), want \(wanted)"]
    if let underlayLink, try kernel.link(underlayLink, on: .host)?.index != link.parentIndex {
      found.append("host link \(spec.name) does not send packets through \(underlayLink)")
    }
    return found
  case .childLink(let wanted, let key):
    guard link.kind == wanted.kind, let actual = link.childKind else {
      return [link.kindMismatch(expected: wanted.kind, on: spec.netns)]
    }
    var found = wanted.differences(in: actual).map { "\(spec.netns) link \(spec.name) \($0)" }
    let parent = try kernel.link(key.name, on: key.netns)
    if parent?.index != link.parentIndex {
      found.append("\(spec.netns) link \(spec.name) does not have the parent \(key.name)")
    }
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
  /// Whether `actual`, as the kernel reports it, has these settings; settings that are `nil` here may have any value.
  public func matches(_ actual: VXLAN) -> Bool {
    func agrees<Value: Equatable>(_ wanted: Value?, _ actual: Value?) -> Bool { wanted == nil || wanted == actual }
    return vni == actual.vni && port == actual.port && learns == actual.learns && agrees(local, actual.local)
      && group == actual.group && agrees(ttl, actual.ttl) && agrees(df, actual.df)
      && agrees(udpChecksum, actual.udpChecksum) && agrees(sendsZeroChecksums, actual.sendsZeroChecksums)
      && agrees(acceptsZeroChecksums, actual.acceptsZeroChecksums)
  }
}

extension ChildLink {
  /// The broadcast queue belongs to the parent: other links may have made it longer.
  fileprivate func differences(in actual: ChildLink) -> [String] {
    switch (self, actual) {
    case (.macvlan(let wanted), .macvlan(let actual)) where wanted.mode.matches(actual.mode): []
    case (.ipvlan, .ipvlan) where self == actual: []
    case (.vlan, .vlan) where self == actual: []
    default: ["is \(actual), want \(self)"]
    }
  }
}

extension Macvlan.Mode {
  fileprivate func matches(_ actual: Macvlan.Mode) -> Bool {
    guard case .source(let wanted) = self, case .source(let allowed) = actual else { return self == actual }
    return Set(wanted) == Set(allowed)
  }
}

private func differences<K: Kernel & ~Copyable>(
  of link: LinkInfo, on netns: NetNS, from wanted: LinkChange, on kernel: inout K
) throws(KernelError) -> [String] {
  var found: [String] = []
  func compare<Value: Equatable>(_ what: String, _ actual: Value?, _ want: Value?) {
    guard let want, actual != want else { return }
    found.append("\(netns) link \(link.name) has \(what) \(actual.map { "\($0)" } ?? "none"), want \(want)")
  }
  compare("state up", link.isUp, wanted.isUp)
  compare("promiscuous mode", link.isPromiscuous, wanted.isPromiscuous)
  compare("all-multicast mode", link.isAllMulticast, wanted.isAllMulticast)
  compare("MTU", link.mtu, wanted.mtu)
  compare("transmit queue length", link.txQueueLength, wanted.txQueueLength)
  compare("MAC", link.mac, wanted.mac)
  // Not compared once there are ports: CHECK accepts attachments of earlier versions.
  if wanted.mac != nil, link.keepsMAC == false, !link.isRunning {
    found.append("\(netns) link \(link.name) has a MAC that changes with its ports, want a fixed MAC")
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
    let actual: LinkInfo? = if let index = link.master { try kernel.link(index: index, on: netns) } else { nil }
    compare("master", actual?.name, master)
  }
  return found
}

private func differences<K: Kernel & ~Copyable>(
  from settings: [Sysctl], on netns: NetNS, _ kernel: inout K
) throws(KernelError) -> [String] {
  var found: [String] = []
  for setting in settings where !setting.isOptional {
    let actual = try kernel.sysctl(setting.key, on: netns)
    if actual.map(setting.matches) != true {
      found.append("\(netns) sysctl \(setting.key) is \(actual ?? "missing"), want \(setting.value)")
    }
  }
  return found
}

extension RouteSpec {
  /// Whether `other`, as the kernel reports it, is this route; attributes that are `nil` here may have any value.
  fileprivate func matches(_ other: RouteSpec) -> Bool {
    func agrees<Value: Equatable>(_ wanted: Value?, _ actual: Value?) -> Bool { wanted == nil || wanted == actual }
    // The container's other networks determine the metrics of its default routes.
    let agreesOnMetric = netns == .container && dst.length == 0 || agrees(priority, other.priority)
    return dst.network == other.dst.network && gateway == other.gateway && agreesOnMetric
      && agrees(table, other.table) && agrees(source, other.source)
  }

  fileprivate var summary: String { "\(dst)\(gateway.map { " via \($0)" } ?? "") on \(interface)" }
}

extension PortVLANs {
  fileprivate func differences(in actual: PortVLANs) -> [String] {
    var found: [String] = []
    if let native, actual.native != native {
      found.append("has native VLAN \(actual.native?.description ?? "none"), want \(native)")
    }
    if !keepsDefault, actual.keepsDefault, let one = VLANID(1), native != one, !contains(tagged: one) {
      found.append("passes VLAN 1, want a port without VLAN 1")
    }
    for range in tagged {
      let missing = (range.lowerBound.number...range.upperBound.number).compactMap(VLANID.init)
        .filter { !actual.contains(tagged: $0) && actual.native != $0 }
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
  let found = try nilIfLinkMissing { () throws(KernelError) in try kernel.tunnelTables(like: wanted) }
  return wanted.changes(from: found ?? TunnelTables(of: wanted.device)).map { "want: \($0)" }
}

func isPresent<K: Kernel & ~Copyable>(_ spec: AddressSpec, on kernel: inout K) throws(KernelError) -> Bool {
  let found = try nilIfLinkMissing { () throws(KernelError) in try kernel.addresses(of: spec.interface, on: spec.netns)
  }
  return found?.contains(spec.prefix) == true
}
