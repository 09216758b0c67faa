public import Kernel
public import NetTypes
public import PacketFilter

/// A kernel that records every call in the journal, if there is one; with `CNI_PLAN=1` it writes the commands of each
/// change down and changes nothing.
public struct TracingKernel<Base: Kernel & ~Copyable>: Kernel, ~Copyable {
  private var base: Base
  private let journal: Journal?
  /// Set for `CNI_PLAN=1`: the packet filter is then only read.
  var dryRun: DryRun? {
    didSet { if dryRun != nil { base.filter = ReadOnlyFilter(base.filter) } }
  }

  init(_ base: consuming Base, journal: Journal?, dryRun: DryRun? = nil) {
    self.base = base
    self.journal = journal
    self.dryRun = dryRun
    if dryRun != nil { self.base.filter = ReadOnlyFilter(self.base.filter) }
  }

  public var isDryRun: Bool { dryRun != nil }

  public var filter: any PacketFilter {
    get { base.filter }
    set { base.filter = newValue }
  }

  private mutating func traced<Value>(
    _ name: @autoclosure () -> String, _ body: (inout Base) throws(KernelError) -> Value
  ) throws(KernelError) -> Value {
    guard let journal else { return try body(&base) }
    return try journal.step(name()) { () throws(KernelError) in try body(&base) }
  }

  public mutating func lockHost(exclusively: Bool) throws(KernelError) {
    guard dryRun == nil else { return }
    try traced("lock host \(exclusively ? "exclusively" : "shared")") { (base) throws(KernelError) in
      try base.lockHost(exclusively: exclusively)
    }
  }

  public mutating func unlockHost() { base.unlockHost() }

  public mutating func link(_ name: InterfaceName, on netns: NetNS) throws(KernelError) -> LinkInfo? {
    let found = try traced("look up \(name)") { (base) throws(KernelError) in try base.link(name, on: netns) }
    return found ?? dryRun?.link(name, on: netns)
  }

  public mutating func link(index: Int32, on netns: NetNS) throws(KernelError) -> LinkInfo? {
    try traced("look up link \(index)") { (base) throws(KernelError) in try base.link(index: index, on: netns) }
  }

  public mutating func links(kind: String, master: InterfaceName?, on netns: NetNS) throws(KernelError) -> [LinkInfo] {
    try traced("list \(kind) links") { (base) throws(KernelError) in
      try base.links(kind: kind, master: master, on: netns)
    }
  }

  public mutating func allLinks(on netns: NetNS) throws(KernelError) -> [LinkInfo] {
    try traced("list links") { (base) throws(KernelError) in try base.allLinks(on: netns) }
  }

  public mutating func vlans(of port: InterfaceName) throws(KernelError) -> PortVLANs {
    try traced("list VLANs of \(port)") { (base) throws(KernelError) in try base.vlans(of: port) }
  }

  public mutating func addresses(of interface: InterfaceName, on netns: NetNS) throws(KernelError) -> [IPPrefix] {
    try traced("list addresses of \(interface)") { (base) throws(KernelError) in
      try base.addresses(of: interface, on: netns)
    }
  }

  public mutating func routes(of interface: InterfaceName, on netns: NetNS) throws(KernelError) -> [RouteSpec] {
    try traced("list routes of \(interface)") { (base) throws(KernelError) in
      try base.routes(of: interface, on: netns)
    }
  }

  public mutating func defaultRouteLink(_ family: IPFamily, on netns: NetNS) throws(KernelError) -> LinkInfo? {
    try traced("look up the default route") { (base) throws(KernelError) in
      try base.defaultRouteLink(family, on: netns)
    }
  }

  public mutating func linksWithAdvertisedRoutes() throws(KernelError) -> [InterfaceName] {
    try traced("list routes of router advertisements") { (base) throws(KernelError) in
      try base.linksWithAdvertisedRoutes()
    }
  }

  public mutating func outgoingLink(to address: IPAddress) throws(KernelError) -> LinkInfo? {
    if let planned = dryRun?.outgoingLink(to: address) { return try link(planned, on: .host) }
    return try traced("look up the route to \(address)") { (base) throws(KernelError) in
      try base.outgoingLink(to: address)
    }
  }

  public mutating func path(to address: IPAddress) throws(KernelError) -> RoutePath? {
    try traced("look up the path to \(address)") { (base) throws(KernelError) in try base.path(to: address) }
  }

  public mutating func isHostAddress(_ address: IPAddress) throws(KernelError) -> Bool {
    try traced("check whether \(address) is an address of the host") { (base) throws(KernelError) in
      try base.isHostAddress(address)
    }
  }

  public mutating func hostRoutes(metric: Int) throws(KernelError) -> [RouteSpec] {
    try traced("list routes with metric \(metric)") { (base) throws(KernelError) in
      try base.hostRoutes(metric: metric)
    }
  }

  public mutating func neighbours(of interface: InterfaceName) throws(KernelError) -> [NeighbourSpec] {
    try traced("list neighbours of \(interface)") { (base) throws(KernelError) in
      try base.neighbours(of: interface)
    }
  }

  public mutating func fdbEntries(of interface: InterfaceName) throws(KernelError) -> [FDBSpec] {
    try traced("list forwarding entries of \(interface)") { (base) throws(KernelError) in
      try base.fdbEntries(of: interface)
    }
  }

  public mutating func offloadsChecksums(_ interface: InterfaceName) throws(KernelError) -> Bool {
    try traced("read checksum offload of \(interface)") { (base) throws(KernelError) in
      try base.offloadsChecksums(interface)
    }
  }

  public mutating func listeners(
    _ transport: TransportProtocol, _ ports: Set<UInt16>
  ) throws(KernelError) -> [Listener] {
    try traced("list listeners on \(ports.count) \(transport) ports") { (base) throws(KernelError) in
      try base.listeners(transport, ports)
    }
  }

  public mutating func holders(ofSockets inodes: Set<UInt64>) throws(KernelError) -> [SocketHolder] {
    try traced("find the processes of \(inodes.count) sockets") { (base) throws(KernelError) in
      try base.holders(ofSockets: inodes)
    }
  }

  public mutating func routedPrefixes(_ family: IPFamily) throws(KernelError) -> [IPPrefix] {
    try traced("list routes") { (base) throws(KernelError) in try base.routedPrefixes(family) }
  }

  public mutating func sysctl(_ key: String, on netns: NetNS) throws(KernelError) -> String? {
    let found = try traced("read sysctl \(key)") { (base) throws(KernelError) in try base.sysctl(key, on: netns) }
    return found ?? (dryRun?.hasLink(of: key, on: netns) == true ? "" : nil)
  }

  public mutating func testCreation(of spec: LinkSpec) throws(KernelError) {
    try traced("try to create \(spec.kind) \(spec.name)") { (base) throws(KernelError) in
      try base.testCreation(of: spec)
    }
  }

  public mutating func apply(_ change: Change) throws(KernelError) {
    if let dryRun { return try write(change, dryRun) }
    do throws(KernelError) { try tracedApply(change) } catch {
      guard error.isLostAnswer, change.isOfNetlink else { throw error }
      try settle(change)
    }
  }

  private mutating func tracedApply(_ change: Change) throws(KernelError) {
    try traced("\(change)") { (base) throws(KernelError) in try base.apply(change) }
  }

  /// Checks whether the kernel made a change whose answer was lost, and repeats the change if not.
  private mutating func settle(_ change: Change) throws(KernelError) {
    if change.isVisible, try differences(from: change, on: &self).isEmpty { return }
    do throws(KernelError) { try tracedApply(change) } catch {
      guard change.isRemoval, error.meansAlreadyGone else { throw error }
    }
  }
}

extension Change {
  /// Whether the change is made through rtnetlink(7), where an answer can be lost.
  fileprivate var isOfNetlink: Bool {
    switch self {
    case .addRules, .setRules, .removeRules, .removeStaleRules, .removeReferencePluginRules, .deleteConntrackEntries,
      .awaitRunning,
      .awaitDAD, .awaitFDBRemoval, .setSysctls:
      false
    default: true
    }
  }

  /// Whether the state of the host shows that the change was made.
  fileprivate var isVisible: Bool {
    switch self {
    case .createLink, .changeLink, .setVLANs, .addAddress, .deleteAddress, .addRoute, .setTunnelTables, .setFDB,
      .setChecksumOffload:
      true
    case .setNeighbour(let spec): spec.mac != nil && spec.netns == .host
    default: false
    }
  }

  fileprivate var isRemoval: Bool {
    switch self {
    case .deleteAddress, .deleteRoute, .deleteNeighbour, .deleteFDB, .deleteLink, .deleteUnusedBridge,
      .deleteUnroutedLink:
      true
    default: false
    }
  }
}

extension Call {
  /// The kernel with every call recorded in the journal.
  public func traced<K: Kernel & ~Copyable>(_ kernel: consuming K) -> TracingKernel<K> {
    TracingKernel(kernel, journal: journal, dryRun: dryRun())
  }
}

extension Removal {
  /// The kernel with every call recorded in the journal.
  public func traced<K: Kernel & ~Copyable>(_ kernel: consuming K) -> TracingKernel<K> {
    TracingKernel(kernel, journal: journal)
  }
}
