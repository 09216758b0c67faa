public import NetTypes
public import PacketFilter

/// The plugins' interface to the kernel: look-ups by name, and changes as data.
///
/// The module `Netlink` implements it; tests use a fake.
public protocol Kernel: ~Copyable {
  associatedtype Filter: PacketFilter

  /// The host's packet filter, for look-ups only; rules are changed by `apply`, as everything else.
  var filter: Filter { get set }

  /// Gets a step for each request and each change; `nil` unless `CNI_LOG` is set.
  var journal: Journal? { get set }

  /// Set for `CNI_PLAN=1`: changes are only written down, and the links of previous plugins seem to exist.
  var dryRun: DryRun? { get set }

  /// Takes the host lock, for things that several attachments share: bridges, their addresses, forwarding.
  ///
  /// Held until `unlockHost` or the end of the process. Exclusive to change one of these, shared to keep them unchanged.
  ///
  /// - Throws: EAGAIN if another process holds it for too long.
  mutating func lockHost(exclusively: Bool) throws(KernelError)

  /// Releases the host lock early. No-op if not held.
  mutating func unlockHost()

  /// The link with that name; `nil` if there is none.
  mutating func link(_ name: InterfaceName, on netns: NetNS) throws(KernelError) -> LinkInfo?

  /// The link with that index; `nil` if there is none.
  mutating func link(index: Int32, on netns: NetNS) throws(KernelError) -> LinkInfo?

  /// Links of that kind (`veth`) or of any, all of them or the ports of one bridge; a dump.
  mutating func links(kind: String?, master: InterfaceName?, on netns: NetNS) throws(KernelError) -> [LinkInfo]

  /// All links; a dump, so for reports only.
  mutating func allLinks(on netns: NetNS) throws(KernelError) -> [LinkInfo]

  /// VLANs of a bridge's port on the host; `keepsDefault`: VLAN 1 is among them. A dump, so for CHECK only.
  mutating func vlans(of port: InterfaceName) throws(KernelError) -> PortVLANs

  /// Addresses of that link, without the link-local ones that the kernel added by itself.
  mutating func addresses(of interface: InterfaceName, on netns: NetNS) throws(KernelError) -> [IPPrefix]

  /// Routes of that link in all tables, without those that the kernel adds for each address.
  mutating func routes(of interface: InterfaceName, on netns: NetNS) throws(KernelError) -> [RouteSpec]

  /// The link of that family's default route; `nil` if there is none.
  mutating func defaultRouteLink(_ family: IPFamily, on netns: NetNS) throws(KernelError) -> LinkInfo?

  /// Links of the host with IPv6 routes from router advertisements (`proto ra`), in any table.
  mutating func linksWithAdvertisedRoutes() throws(KernelError) -> [InterfaceName]

  /// The link of the host for packets to that address; `nil` if there is no route.
  mutating func outgoingLink(to address: IPAddress) throws(KernelError) -> LinkInfo?

  /// The path of the host's packets to that address; `nil` if there is no route or the address is the host's own.
  mutating func path(to address: IPAddress) throws(KernelError) -> RoutePath?

  /// Whether that address is one of the host's own.
  mutating func isHostAddress(_ address: IPAddress) throws(KernelError) -> Bool

  /// Routes of the host's main table with that metric, through any link; a dump.
  mutating func hostRoutes(metric: Int) throws(KernelError) -> [RouteSpec]

  /// Permanent neighbour entries of a link of the host, without those of routing daemons.
  mutating func neighbours(of interface: InterfaceName) throws(KernelError) -> [NeighbourSpec]

  /// The digest of a VXLAN device's tables, as `tunnelTables(like:)` finds them, without direct routes.
  ///
  /// - Parameters:
  ///   - device: the VXLAN device.
  ///   - link: the link with the neighbour entries.
  /// - Returns: the digest.
  /// - Throws: ENODEV if one of them is missing.
  mutating func tunnelDigest(
    of device: InterfaceName, neighboursOn link: InterfaceName
  ) throws(KernelError) -> TunnelDigest

  /// FDB entries that were not learnt from traffic: a VXLAN device's own, and for a bridge port those of the bridge.
  mutating func fdbEntries(of interface: InterfaceName) throws(KernelError) -> [FDBSpec]

  /// Whether senders on that link of the host leave checksums to it (`ethtool -k`: tx-checksumming).
  mutating func offloadsChecksums(_ interface: InterfaceName) throws(KernelError) -> Bool

  /// The host's sockets that receive new connections at one of these ports.
  ///
  /// No SCTP sockets if the kernel cannot list them.
  mutating func listeners(_ transport: TransportProtocol, _ ports: Set<UInt16>) throws(KernelError) -> [Listener]

  /// The processes that hold one of these sockets; searches all processes of the host.
  mutating func holders(ofSockets inodes: Set<UInt64>) throws(KernelError) -> [SocketHolder]

  /// Destinations of all routes in the main table; a dump, so only to choose an unused subnet.
  mutating func routedPrefixes(_ family: IPFamily) throws(KernelError) -> [IPPrefix]

  /// The value of a sysctl; `nil` if the kernel has no such setting.
  mutating func sysctl(_ key: String, on netns: NetNS) throws(KernelError) -> String?

  /// Creates and deletes that link in a temporary namespace, to find out whether it can be created. For STATUS only.
  ///
  /// - Throws: the kernel's error.
  mutating func testCreation(of spec: LinkSpec) throws(KernelError)

  /// - Throws: the kernel's error; nothing was changed then, except that the first of several sysctls may be set.
  mutating func apply(_ change: Change) throws(KernelError)
}

extension Kernel where Self: ~Copyable {
  public var journal: Journal? {
    get { nil }
    set {}
  }

  /// The link of the default route; that of IPv4 takes precedence.
  public mutating func uplink(on netns: NetNS) throws(KernelError) -> LinkInfo? {
    if let link = try defaultRouteLink(.v4, on: netns) { return link }
    return try defaultRouteLink(.v6, on: netns)
  }

  /// Links of the host that would lose the routes of router advertisements if the host forwarded IPv6.
  ///
  /// A router accepts router advertisements only with `accept_ra` = 2, and a host that becomes a router drops the routes
  /// that it learnt from them. Empty if the host forwards already. If `accept_ra` is 0, a daemon made the routes, which
  /// stay.
  public mutating func linksThatLoseAdvertisedRoutes() throws(KernelError) -> [InterfaceName] {
    guard try sysctl("net/ipv6/conf/all/forwarding", on: .host) == "0" else { return [] }
    var links: [InterfaceName] = []
    for link in try linksWithAdvertisedRoutes()
    where try sysctl("net/ipv6/conf/\(link)/accept_ra", on: .host) == "1" { links.append(link) }
    return links
  }
}
