public import NetTypes
public import PacketFilter

/// Everything a plugin may ask of the kernel: looks by name, and changes as data.
///
/// `Netlink` implements it; tests use a fake.
public protocol Kernel: ~Copyable {
  /// The host's packet filter, for looks; rules are changed as everything else is: `apply`.
  var filter: any PacketFilter { get set }

  /// Keeps others from changing what several attachments share: bridges, their addresses, forwarding.
  ///
  /// Held until the process ends or `unlockHost`. Exclusive while one of these is changed, shared while they must stay as they are.
  ///
  /// - Throws: EAGAIN where another holds it for too long.
  mutating func lockHost(exclusively: Bool) throws(KernelError)

  /// Gives that back early, where the process goes on for long; nothing happens where it is not held.
  mutating func unlockHost()

  /// `nil` where no link has that name.
  mutating func link(_ name: InterfaceName, on side: Side) throws(KernelError) -> LinkInfo?

  /// `nil` where no link has that index.
  mutating func link(index: Int32, on side: Side) throws(KernelError) -> LinkInfo?

  /// Links of that kind (`veth`), all of them or the ports of one bridge: a dump, for GC and CHECK only.
  mutating func links(kind: String, master: InterfaceName?, on side: Side) throws(KernelError) -> [LinkInfo]

  /// Every link: a dump, for reports only.
  mutating func allLinks(on side: Side) throws(KernelError) -> [LinkInfo]

  /// VLANs of a bridge's port on the host; `keepsDefault` tells whether 1 is among them. For CHECK only: a dump.
  mutating func vlans(of port: InterfaceName) throws(KernelError) -> PortVLANs

  /// Addresses of that link as they are written on it; the kernel's own link-local ones are left out.
  mutating func addresses(of interface: InterfaceName, on side: Side) throws(KernelError) -> [IPPrefix]

  /// Routes of that link in every table, without those the kernel makes for each address of its own accord.
  mutating func routes(of interface: InterfaceName, on side: Side) throws(KernelError) -> [RouteSpec]

  /// The link the default route of that family leaves by; `nil` where there is none.
  mutating func defaultRouteLink(_ family: IPFamily, on side: Side) throws(KernelError) -> LinkInfo?

  /// Links of the host with IPv6 routes from router advertisements (`proto ra`), of every table.
  mutating func linksWithAdvertisedRoutes() throws(KernelError) -> [InterfaceName]

  /// The link of the host by which packets to that address leave; `nil` where none does.
  mutating func link(towards address: IPAddress) throws(KernelError) -> LinkInfo?

  /// Where packets of the host to that address go; `nil` where nowhere, or where it is the host's own.
  mutating func path(to address: IPAddress) throws(KernelError) -> RoutePath?

  /// Whether that address is one of the host's own.
  mutating func isOwn(_ address: IPAddress) throws(KernelError) -> Bool

  /// Routes of the host's main table with that metric, whatever they leave by: a dump.
  mutating func hostRoutes(metric: Int) throws(KernelError) -> [RouteSpec]

  /// Neighbours of a link of the host that somebody set for good, but for those of routing daemons.
  mutating func neighbours(of interface: InterfaceName) throws(KernelError) -> [NeighbourSpec]

  /// Forwarding entries that somebody set: a VXLAN device's own, and for a bridge's port those of the bridge.
  mutating func forwarding(of interface: InterfaceName) throws(KernelError) -> [FDBSpec]

  /// Whether that link of the host leaves checksums to who sends for it (`ethtool -k`: tx-checksumming).
  mutating func offloadsChecksums(_ interface: InterfaceName) throws(KernelError) -> Bool

  /// The host's sockets that take what arrives at one of these ports.
  ///
  /// None of SCTP's where the kernel cannot tell them.
  mutating func listeners(_ transport: TransportProtocol, _ ports: Set<UInt16>) throws(KernelError) -> [Listener]

  /// The processes that hold one of these sockets: looks through every process of the host.
  mutating func holders(ofSockets inodes: Set<UInt64>) throws(KernelError) -> [SocketHolder]

  /// Destinations of all routes in the main table: a dump, for choosing an unused subnet only.
  mutating func routedPrefixes(_ family: IPFamily) throws(KernelError) -> [IPPrefix]

  /// `nil` where there is no such setting.
  mutating func sysctl(_ key: String, on side: Side) throws(KernelError) -> String?

  /// Makes that link where nobody sees it and lets it go again, to learn whether it could be made. For STATUS only.
  ///
  /// - Throws: what the kernel said.
  mutating func tryOut(_ spec: LinkSpec) throws(KernelError)

  /// - Throws: what the kernel said; nothing was changed then, except that of several sysctls the first may be set.
  mutating func apply(_ change: Change) throws(KernelError)
}

extension Kernel where Self: ~Copyable {
  /// The link that the default route leaves by, the one of IPv4 first.
  public mutating func uplink(on side: Side) throws(KernelError) -> LinkInfo? {
    if let link = try defaultRouteLink(.v4, on: side) { return link }
    return try defaultRouteLink(.v6, on: side)
  }

  /// Links of the host that would lose the routes of router advertisements if the host forwarded IPv6.
  ///
  /// A router listens to router advertisements only where `accept_ra` is 2, and drops the routes that it learnt from
  /// them when it becomes one. None if the host forwards already. Where `accept_ra` is 0 a daemon made these routes.
  public mutating func linksThatLoseAdvertisedRoutes() throws(KernelError) -> [InterfaceName] {
    guard try sysctl("net/ipv6/conf/all/forwarding", on: .host) == "0" else { return [] }
    var links: [InterfaceName] = []
    for link in try linksWithAdvertisedRoutes()
    where try sysctl("net/ipv6/conf/\(link)/accept_ra", on: .host) == "1" { links.append(link) }
    return links
  }
}
