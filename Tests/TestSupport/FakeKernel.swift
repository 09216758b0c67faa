public import Kernel
public import NetTypes
import PacketFilter

/// A host and a container in memory; its n-th change can be made to fail.
public final class FakeKernel: Kernel {
  /// Everything that can be changed, for comparison.
  public struct State: Equatable {
    public var links: [NetNS: [InterfaceName: LinkInfo]] = [.host: [:], .container: [:]]
    public var addresses: [AddressSpec] = []
    public var routes: [RouteSpec] = []
    public var neighbours: [NeighbourSpec] = []
    public var forwarding: [FDBSpec] = []
    public var vlans: [InterfaceName: PortVLANs] = [:]
    public var withoutChecksumOffload: Set<InterfaceName> = []
    public var sysctls: [NetNS: [String: String]] = [.host: [:], .container: [:]]
  }

  public var state = State()
  public var filter = FakeFilter()
  public var uplink: InterfaceName?
  /// Links with IPv6 routes from router advertisements.
  public var advertisedLinks: [InterfaceName] = []
  /// Routes through a gateway, by destination; addresses in a link's subnet need none.
  public var gateways: [IPAddress: (link: InterfaceName, gateway: IPAddress)] = [:]
  /// The error that `tryOut` throws.
  public var trialError: KernelError?
  /// The sockets that listen on the host, and the processes that hold them.
  public var sockets: [TransportProtocol: [Listener]] = [:]
  public var processes: [SocketHolder] = []
  /// How many changes succeed before one fails; later ones succeed again, so that a rollback works.
  public var changesBeforeRefusal = Int.max
  /// The error of a look-up of neighbours; `nil`: none.
  public var neighboursRefusal: KernelError?
  public private(set) var applied: [Change] = []
  /// The changes in `applied` that were made without the host lock.
  public private(set) var appliedUnlocked: [Change] = []
  public private(set) var locks: [Bool] = []
  public private(set) var isLocked = false
  private var lastIndex: Int32 = 0

  public var dryRun: DryRun?

  /// A host without forwarding; loopback is down in the container.
  public init() {
    addLink("lo", on: .container, mtu: 65536)
    state.links[.container]?["lo"]?.isLoopback = true
    state.sysctls[.host] = ["net/ipv4/ip_forward": "0", "net/ipv6/conf/all/forwarding": "0"]
    state.sysctls[.container] = ["net/ipv6/conf/lo/disable_ipv6": "1"]
  }

  /// Puts a new container in place of the present one; the host stays as it is.
  public func replaceContainer() {
    let fresh = FakeKernel().state
    state.links[.container] = fresh.links[.container]
    state.sysctls[.container] = fresh.sysctls[.container]
    state.addresses.removeAll { $0.netns == .container }
    state.routes.removeAll { $0.netns == .container }
  }

  public func addLink(_ name: InterfaceName, on netns: NetNS, kind: String? = nil, mtu: Int = 1500) {
    lastIndex += 1
    state.links[netns]?[name] = LinkInfo(name: name, index: lastIndex, kind: kind, mtu: mtu, mac: .random())
  }

  public func lockHost(exclusively: Bool) {
    guard dryRun == nil else { return }
    locks.append(exclusively)
    isLocked = true
  }

  public func unlockHost() { isLocked = false }

  public func link(_ name: InterfaceName, on netns: NetNS) -> LinkInfo? {
    state.links[netns]?[name] ?? dryRun?.link(name, on: netns)
  }

  public func link(index: Int32, on netns: NetNS) -> LinkInfo? {
    state.links[netns]?.values.first { $0.index == index }
  }

  public func links(kind: String?, master: InterfaceName?, on netns: NetNS) -> [LinkInfo] {
    let index = master.flatMap { link($0, on: netns)?.index }
    return allLinks(on: netns).filter { (kind == nil || $0.kind == kind) && (master == nil || $0.master == index) }
  }

  public func allLinks(on netns: NetNS) -> [LinkInfo] {
    (state.links[netns] ?? [:]).values.sorted { $0.index < $1.index }
  }

  public func vlans(of port: InterfaceName) -> PortVLANs { state.vlans[port] ?? PortVLANs(native: VLANID(1)) }

  public func addresses(of interface: InterfaceName, on netns: NetNS) throws(KernelError) -> [IPPrefix] {
    guard link(interface, on: netns) != nil else {
      throw KernelError("addresses", errno: .ENODEV, reason: "no such device")
    }
    return state.addresses.filter { $0.interface == interface && $0.netns == netns }.map(\.prefix)
  }

  public func routes(of interface: InterfaceName, on netns: NetNS) throws(KernelError) -> [RouteSpec] {
    guard link(interface, on: netns) != nil else {
      throw KernelError("routes", errno: .ENODEV, reason: "no such device")
    }
    return state.routes.filter { $0.interface == interface && $0.netns == netns }
  }

  public func defaultRouteLink(_ family: IPFamily, on netns: NetNS) -> LinkInfo? {
    family == .v4 ? uplink.flatMap { link($0, on: netns) } : nil
  }

  public func linksWithAdvertisedRoutes() -> [InterfaceName] { advertisedLinks }

  public func outgoingLink(to address: IPAddress) -> LinkInfo? {
    if let planned = dryRun?.outgoingLink(to: address) { return link(planned, on: .host) }
    return state.addresses.first { $0.netns == .host && $0.prefix.contains(address) }.flatMap {
      link($0.interface, on: .host)
    }
  }

  public func listeners(_ transport: TransportProtocol, _ ports: Set<UInt16>) -> [Listener] {
    sockets[transport, default: []].filter { ports.contains($0.port) }
  }

  public func holders(ofSockets inodes: Set<UInt64>) -> [SocketHolder] {
    processes.filter { inodes.contains($0.inode) }
  }

  public func routedPrefixes(_ family: IPFamily) -> [IPPrefix] {
    state.routes.filter { $0.netns == .host && $0.dst.family == family }.map(\.dst)
  }

  public func sysctl(_ key: String, on netns: NetNS) -> String? {
    state.sysctls[netns]?[key] ?? (dryRun?.hasLink(of: key, on: netns) == true ? "" : nil)
  }

  public func testCreation(of spec: LinkSpec) throws(KernelError) {
    if let trialError { throw trialError }
  }

  public func apply(_ change: Change) throws(KernelError) {
    applied.append(change)
    if !isLocked { appliedUnlocked.append(change) }
    if changesBeforeRefusal == 0 {
      changesBeforeRefusal = .max
      throw KernelError("\(change)", errno: .EIO, reason: "injected")
    }
    changesBeforeRefusal -= 1
    try carryOut(change)
  }

  private func carryOut(_ change: Change) throws(KernelError) {
    switch change {
    case .createLink(let spec): create(spec)
    case .deleteLink(let name, let netns): delete(name, on: netns)
    case .deleteUnusedBridge(let name):
      if let bridge = link(name, on: .host), !allLinks(on: .host).contains(where: { $0.master == bridge.index }) {
        delete(name, on: .host)
      }
    case .deleteUnroutedLink(let name):
      if !state.routes.contains(where: { $0.interface == name && $0.netns == .host }) { delete(name, on: .host) }
    case .changeLink(let name, let netns, let wanted): update(name, on: netns, wanted)
    case .addAddress(let spec): state.addresses.append(spec)
    case .deleteAddress(let spec):
      state.addresses.removeAll { $0.prefix == spec.prefix && $0.interface == spec.interface && $0.netns == spec.netns }
    case .addRoute(let spec): state.routes.append(spec)
    case .deleteRoute(let spec): state.routes.removeAll { $0 == spec }
    case .setNeighbour(let spec):
      state.neighbours.removeAll { $0.isSameEntry(as: spec) }
      state.neighbours.append(spec)
    case .deleteNeighbour(let spec): state.neighbours.removeAll { $0.isSameEntry(as: spec) }
    case .setFDB(let spec):
      state.forwarding.removeAll { $0 == spec || !spec.mac.isZero && $0.isSameEntry(as: spec) }
      state.forwarding.append(spec)
    case .setTunnelTables(let wanted): try setTunnelTables(wanted)
    case .updateTunnelTables(let update): for step in update.changes { try carryOut(step) }
    case .setChecksumOffload(let name, let isOn):
      if isOn { state.withoutChecksumOffload.remove(name) } else { state.withoutChecksumOffload.insert(name) }
    case .deleteFDB(let spec): state.forwarding.removeAll { $0 == spec }
    case .setSysctls(let settings, let netns):
      for setting in settings { state.sysctls[netns]?[setting.key] = setting.value }
    case .setVLANs(let vlans, let name): state.vlans[name] = vlans
    case .addRules, .setRules, .updateRules, .removeRules, .removeReferencePluginRules, .removeStaleRules,
      .enableRouteLocalnet,
      .disableRouteLocalnet:
      try changeFilter(change)
    case .awaitRunning, .awaitDAD, .announce, .deleteConntrackEntries, .addLoopbackRoute, .awaitFDBRemoval: break
    }
  }

  private func setTunnelTables(_ wanted: TunnelTables) throws(KernelError) {
    var fake = self
    for change in wanted.changes(from: try fake.tunnelTables(like: wanted)) { try carryOut(change) }
  }

  private func create(_ spec: LinkSpec) {
    switch spec.kind {
    case .bridge(let filtersVLANs):
      addLink(spec.name, on: .host, kind: "bridge", mtu: spec.mtu ?? 1500)
      state.links[.host]?[spec.name]?.filtersVLANs = filtersVLANs
      state.links[.host]?[spec.name]?.keepsMAC = spec.mac != nil
    case .veth(let peer):
      addLink(spec.name, on: .host, kind: "veth", mtu: spec.mtu ?? 1500)
      addLink(peer.name, on: peer.netns, kind: "veth", mtu: spec.mtu ?? 1500)
      state.links[.host]?[spec.name]?.peerIndex = lastIndex
      state.links[peer.netns]?[peer.name]?.peerIndex = lastIndex - 1
      state.links[peer.netns]?[peer.name]?.mac = peer.mac
    case .childLink(let childLink, let parent):
      let below = link(parent.name, on: parent.netns)
      addLink(spec.name, on: spec.netns, kind: childLink.kind, mtu: spec.mtu ?? below?.mtu ?? 1500)
      state.links[spec.netns]?[spec.name]?.parentIndex = below?.index
      state.links[spec.netns]?[spec.name]?.childKind = childLink
      if case .macvlan = childLink {} else { state.links[spec.netns]?[spec.name]?.mac = below?.mac }
    case .dummy: addLink(spec.name, on: spec.netns, kind: "dummy", mtu: spec.mtu ?? 1500)
    case .vxlan(let vxlan, let name):
      let below = name.flatMap { link($0, on: .host) }
      addLink(spec.name, on: .host, kind: "vxlan", mtu: spec.mtu ?? 1500)
      state.links[.host]?[spec.name]?.vxlan = vxlan
      state.links[.host]?[spec.name]?.parentIndex = below?.index
    case .vrf(let table):
      addLink(spec.name, on: .host, kind: "vrf", mtu: spec.mtu ?? 65575)
      state.links[.host]?[spec.name]?.vrfTable = table
    }
    if let mac = spec.mac { state.links[spec.netns]?[spec.name]?.mac = mac }
    if let alias = spec.alias { state.links[spec.netns]?[spec.name]?.alias = alias }
    if let group = spec.group { state.links[spec.netns]?[spec.name]?.group = group }
  }

  private func update(_ name: InterfaceName, on netns: NetNS, _ change: LinkChange) {
    guard var link = link(name, on: netns) else { return }
    // As in the kernel: the address is added when the link is first set up, and stays.
    if link.isLoopback, change.isUp == true, !link.isUp {
      state.addresses.append(AddressSpec("127.0.0.1/8", on: name, netns))
    }
    link.isUp = change.isUp ?? link.isUp
    link.isRunning = link.isUp
    link.isPromiscuous = change.isPromiscuous ?? link.isPromiscuous
    link.isAllMulticast = change.isAllMulticast ?? link.isAllMulticast
    link.mtu = change.mtu ?? link.mtu
    link.txQueueLength = change.txQueueLength ?? link.txQueueLength
    link.mac = change.mac ?? link.mac
    if change.mac != nil, link.keepsMAC == false { link.keepsMAC = true }
    link.group = change.group ?? link.group
    if let local = change.local { link.vxlan?.local = local }
    if let alias = change.alias { link.alias = alias.isEmpty ? nil : alias }
    if let master = change.master {
      link.master = self.link(master, on: netns)?.index
      link.port = BridgePort(hairpin: false, isolated: false, learning: true, neighSuppress: false)
    }
    if let on = change.port.hairpin { link.port?.hairpin = on }
    if let on = change.port.isolated { link.port?.isolated = on }
    if let on = change.port.learning { link.port?.learning = on }
    if let on = change.port.neighSuppress { link.port?.neighSuppress = on }
    if let on = change.port.locked { link.port?.locked = on }
    state.links[netns]?[name] = link
  }

  /// Deletes a link with its addresses, routes, settings and its peer.
  private func delete(_ name: InterfaceName, on netns: NetNS) {
    guard let gone = state.links[netns]?.removeValue(forKey: name) else { return }
    state.addresses.removeAll { $0.interface == name && $0.netns == netns }
    state.routes.removeAll { $0.interface == name && $0.netns == netns }
    state.neighbours.removeAll { $0.interface == name && $0.netns == netns }
    state.forwarding.removeAll { $0.interface == name }
    state.vlans[name] = nil
    state.sysctls[netns] = state.sysctls[netns]?.filter { !$0.key.contains("/\(name)/") }
    guard gone.kind == "veth", let peer = gone.peerIndex else { return }
    for netns in NetNS.allCases { if let end = link(index: peer, on: netns) { delete(end.name, on: netns) } }
  }
}
