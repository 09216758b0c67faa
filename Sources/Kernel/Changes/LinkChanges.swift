import NetTypes

/// Equals `ip link add NAME type KIND`.
struct CreateLink: CustomStringConvertible {
  let spec: LinkSpec

  var description: String { "create \(spec.kind) \(spec.name)\(spec.netns.suffix)" }

  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    switch spec.kind {
    case .bridge, .vrf: [.deleteUnusedBridge(spec.name)]
    case .veth, .childLink, .dummy, .vxlan: [.deleteLink(spec.name, on: spec.netns)]
    }
  }

  func differences<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> [String] {
    guard let link = try kernel.link(spec.name, on: spec.netns) else {
      return ["\(spec.netns) link \(spec.name) is missing"]
    }
    switch spec.kind {
    case .dummy: return link.kind == "dummy" ? [] : [link.kindMismatch(expected: "dummy", on: spec.netns)]
    case .vrf(let table):
      guard link.kind == "vrf", let actual = link.vrfTable else {
        return [link.kindMismatch(expected: "vrf", on: .host)]
      }
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
    case .veth(let peer): return try differences(of: link, from: peer, on: &kernel)
    }
  }

  private func differences<K: Kernel & ~Copyable>(
    of link: LinkInfo, from peer: LinkSpec.Peer, on kernel: inout K
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
}

/// Equals `ip link delete NAME`; an ADD does not delete links that others made, so it has no inverse.
struct DeleteLink: CustomStringConvertible {
  let name: InterfaceName
  let netns: NetNS

  var description: String { "delete link \(name)\(netns.suffix)" }
}

/// Equals `ip link delete NAME` for a bridge or VRF without ports.
struct DeleteUnusedBridge: CustomStringConvertible {
  let name: InterfaceName

  var description: String { "delete bridge \(name) if it has no ports" }
}

/// Equals `ip link delete NAME` for a link without routes.
struct DeleteUnroutedLink: CustomStringConvertible {
  let name: InterfaceName

  var description: String { "delete link \(name) if it has no routes" }
}

/// Equals `ip link set NAME …`, and `bridge link set` for the settings of a bridge's port.
struct ChangeLink: CustomStringConvertible {
  let name: InterfaceName
  let netns: NetNS
  let wanted: LinkChange

  var description: String { "set \(name) \(wanted)\(netns.suffix)" }

  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    guard !transaction.isOurs(name, on: netns), let current = try transaction.kernel.link(name, on: netns) else {
      return []
    }
    let back = wanted.inverse(from: current)
    let kept = try addressesThatStay(current, after: back, on: &transaction.kernel)
    return back == LinkChange() ? [] : kept + [.changeLink(name, on: netns, back)]
  }

  /// The kernel adds 127.0.0.1/8 when a loopback interface is set up, and keeps it when the interface is set down.
  private func addressesThatStay<K: Kernel & ~Copyable>(
    _ link: LinkInfo, after back: LinkChange, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    guard link.isLoopback, back.isUp == false, let own = IPPrefix("127.0.0.1/8"),
      try !kernel.addresses(of: link.name, on: netns).contains(own)
    else { return [] }
    return [.deleteAddress(AddressSpec(own, on: link.name, netns))]
  }

  func differences<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> [String] {
    guard let link = try kernel.link(name, on: netns) else { return ["\(netns) link \(name) is missing"] }
    var found: [String] = []
    func compare<Value: Equatable & CustomStringConvertible>(_ what: String, _ actual: Value?, _ want: Value?) {
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
}

/// Waits until a bridge's port forwards packets.
struct AwaitRunning: CustomStringConvertible {
  let name: InterfaceName

  var description: String { "wait until \(name) runs" }

  func differences<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> [String] {
    try kernel.link(name, on: .host)?.isRunning == true ? [] : ["link \(name) is not running"]
  }
}

/// Equals `ethtool -K NAME tx on`.
struct SetChecksumOffload: CustomStringConvertible {
  let name: InterfaceName
  let isOn: Bool

  var description: String { "set checksum offload of \(name) \(isOn ? "on" : "off")" }

  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    let before = try transaction.isOurs(name, on: .host) ? isOn : transaction.kernel.offloadsChecksums(name)
    return before == isOn ? [] : [.setChecksumOffload(name, isOn: before)]
  }

  func differences<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> [String] {
    let actual = try nilIfLinkMissing { () throws(KernelError) in try kernel.offloadsChecksums(name) }
    return actual == isOn ? [] : ["checksum offload of \(name) is not \(isOn ? "on" : "off")"]
  }
}

extension LinkSpec.Kind: CustomStringConvertible {
  public var description: String {
    switch self {
    case .bridge(let filtersVLANs): filtersVLANs ? "VLAN filtering bridge" : "bridge"
    case .veth(let peer): "veth with \(peer.name)\(peer.netns.suffix) as peer of"
    case .childLink(let childLink, let parent): "\(childLink) over \(parent.name)\(parent.netns.suffix) as"
    case .dummy: "dummy"
    case .vxlan(let vxlan, let link): "\(vxlan)\(link.map { " dev \($0)" } ?? "") as"
    case .vrf(let table): "vrf table \(table) as"
    }
  }
}

extension LinkChange: CustomStringConvertible {
  public var description: String {
    let port = [
      port.hairpin.map { "hairpin \($0)" }, port.isolated.map { "isolated \($0)" },
      port.learning.map { "learning \($0)" }, port.neighSuppress.map { "neigh_suppress \($0)" },
      port.locked.map { "locked \($0)" },
    ]
    let words = [
      isUp.map { $0 ? "up" : "down" }, isPromiscuous.map { "promisc \($0)" }, isAllMulticast.map { "allmulti \($0)" },
      mtu.map { "mtu \($0)" }, txQueueLength.map { "txqueuelen \($0)" }, mac.map { "address \($0)" },
      group.map { "group \($0)" }, master.map { "master \($0)" },
      alias.map { "alias \($0)" }, local.map { "local \($0)" },
    ]
    return (words + port).compactMap { $0 }.joined(separator: ", ")
  }
}

extension LinkChange {
  /// The change that restores the settings of `link`; settings that do not change are left out.
  func inverse(from link: LinkInfo) -> LinkChange {
    var back = LinkChange()
    if let isUp, isUp != link.isUp { back.isUp = link.isUp }
    if let isPromiscuous, isPromiscuous != link.isPromiscuous { back.isPromiscuous = link.isPromiscuous }
    if let isAllMulticast, isAllMulticast != link.isAllMulticast { back.isAllMulticast = link.isAllMulticast }
    if let mtu, mtu != link.mtu { back.mtu = link.mtu }
    if let txQueueLength, txQueueLength != link.txQueueLength { back.txQueueLength = link.txQueueLength }
    if let mac, mac != link.mac { back.mac = link.mac }
    if let group, group != link.group { back.group = link.group }
    if let alias, alias != link.alias { back.alias = link.alias ?? "" }
    if let local, local != link.vxlan?.local { back.local = link.vxlan?.local }
    if let current = link.port {
      back.port = BridgePort(
        hairpin: port.hairpin == nil ? nil : current.hairpin, isolated: port.isolated == nil ? nil : current.isolated,
        learning: port.learning == nil ? nil : current.learning,
        neighSuppress: port.neighSuppress == nil ? nil : current.neighSuppress,
        locked: port.locked == nil ? nil : current.locked)
    }
    return back
  }
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
