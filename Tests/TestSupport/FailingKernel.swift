public import Kernel
public import NetTypes
import PacketFilter

/// A kernel that passes everything on to another one, except the n-th change, which fails.
public struct FailingKernel<Base: Kernel & ~Copyable>: Kernel, ~Copyable {
  private var base: Base
  private var changesBeforeRefusal: Int
  private let refusal: Refusal
  private let record: (Change) -> Void

  /// The way in which a change fails.
  public enum Refusal: Sendable {
    case error
    /// ENOBUFS: the kernel could not answer; `isMade`: it made the change before.
    case lostAnswer(isMade: Bool)
  }

  /// - Parameters:
  ///   - base: the kernel that carries out everything else.
  ///   - changesBeforeRefusal: how many changes succeed before one fails; later ones succeed again.
  ///   - refusal: the way in which it fails.
  ///   - record: called with each change.
  public init(
    _ base: consuming Base, changesBeforeRefusal: Int, by refusal: Refusal = .error,
    record: @escaping (Change) -> Void = { _ in }
  ) {
    self.base = base
    self.changesBeforeRefusal = changesBeforeRefusal
    self.refusal = refusal
    self.record = record
  }

  public var filter: Base.Filter {
    get { base.filter }
    set { base.filter = newValue }
  }

  public var dryRun: DryRun? {
    get { base.dryRun }
    set { base.dryRun = newValue }
  }

  public mutating func lockHost(exclusively: Bool) throws(KernelError) {
    // No lock: tests with several hosts in one process do not need it.
  }

  public mutating func unlockHost() {}

  public mutating func link(_ name: InterfaceName, on netns: NetNS) throws(KernelError) -> LinkInfo? {
    try base.link(name, on: netns)
  }

  public mutating func link(index: Int32, on netns: NetNS) throws(KernelError) -> LinkInfo? {
    try base.link(index: index, on: netns)
  }

  public mutating func links(kind: String?, master: InterfaceName?, on netns: NetNS) throws(KernelError) -> [LinkInfo] {
    try base.links(kind: kind, master: master, on: netns)
  }

  public mutating func allLinks(on netns: NetNS) throws(KernelError) -> [LinkInfo] { try base.allLinks(on: netns) }

  public mutating func vlans(of port: InterfaceName) throws(KernelError) -> PortVLANs { try base.vlans(of: port) }

  public mutating func addresses(of interface: InterfaceName, on netns: NetNS) throws(KernelError) -> [IPPrefix] {
    try base.addresses(of: interface, on: netns)
  }

  public mutating func routes(of interface: InterfaceName, on netns: NetNS) throws(KernelError) -> [RouteSpec] {
    try base.routes(of: interface, on: netns)
  }

  public mutating func defaultRouteLink(_ family: IPFamily, on netns: NetNS) throws(KernelError) -> LinkInfo? {
    try base.defaultRouteLink(family, on: netns)
  }

  public mutating func linksWithAdvertisedRoutes() throws(KernelError) -> [InterfaceName] {
    try base.linksWithAdvertisedRoutes()
  }

  public mutating func outgoingLink(to address: IPAddress) throws(KernelError) -> LinkInfo? {
    try base.outgoingLink(to: address)
  }

  public mutating func path(to address: IPAddress) throws(KernelError) -> RoutePath? { try base.path(to: address) }

  public mutating func isHostAddress(_ address: IPAddress) throws(KernelError) -> Bool {
    try base.isHostAddress(address)
  }

  public mutating func hostRoutes(metric: Int) throws(KernelError) -> [RouteSpec] {
    try base.hostRoutes(metric: metric)
  }

  public mutating func neighbours(of interface: InterfaceName) throws(KernelError) -> [NeighbourSpec] {
    try base.neighbours(of: interface)
  }

  public mutating func fdbEntries(of interface: InterfaceName) throws(KernelError) -> [FDBSpec] {
    try base.fdbEntries(of: interface)
  }

  public mutating func offloadsChecksums(_ interface: InterfaceName) throws(KernelError) -> Bool {
    try base.offloadsChecksums(interface)
  }

  public mutating func listeners(
    _ transport: TransportProtocol, _ ports: Set<UInt16>
  ) throws(KernelError) -> [Listener] {
    try base.listeners(transport, ports)
  }

  public mutating func holders(ofSockets inodes: Set<UInt64>) throws(KernelError) -> [SocketHolder] {
    try base.holders(ofSockets: inodes)
  }

  public mutating func routedPrefixes(_ family: IPFamily) throws(KernelError) -> [IPPrefix] {
    try base.routedPrefixes(family)
  }

  public mutating func sysctl(_ key: String, on netns: NetNS) throws(KernelError) -> String? {
    try base.sysctl(key, on: netns)
  }

  public mutating func testCreation(of spec: LinkSpec) throws(KernelError) { try base.testCreation(of: spec) }

  public mutating func apply(_ change: Change) throws(KernelError) {
    record(change)
    changesBeforeRefusal -= 1
    guard changesBeforeRefusal == -1 else { return try base.apply(change) }
    if case .lostAnswer(let isMade) = refusal {
      if isMade { try base.apply(change) }
      throw KernelError("\(change)", errno: .ENOBUFS, reason: "injected")
    }
    throw KernelError("\(change)", errno: .EIO, reason: "injected")
  }
}
