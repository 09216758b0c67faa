public import NetTypes

/// Settings of a VXLAN device, RFC 7348 and `ip-link(8)`; `nil` leaves a setting to the kernel.
public struct VXLAN: Hashable, Sendable {
  public enum DontFragment: String, CaseIterable, Sendable {
    case unset
    case set
    /// Copied from the inner packet.
    case inherit
  }

  /// The VNI, 1 to 2^24 - 1.
  public var vni: Int
  /// The UDP destination port of the packets, at which the device also listens.
  public var port: UInt16
  /// The source address of the packets.
  public var local: IPAddress?
  /// The multicast group to which unknown destinations are sent.
  public var group: IPAddress?
  /// The TTL of the outer packets; 0: the kernel's default.
  public var ttl: Int?
  public var df: DontFragment?
  /// Whether the device learns MAC addresses and their tunnel ends from received packets.
  public var learns = false
  public var udpChecksum: Bool?
  /// Whether packets are sent over IPv6 without a UDP checksum.
  public var sendsZeroChecksums: Bool?
  /// Whether packets over IPv6 without a UDP checksum are accepted.
  public var acceptsZeroChecksums: Bool?

  /// The limit of FDB entries for a device that learns (`maxaddr`), which includes configured entries.
  public static let maxLearnedEntries = 16384

  public init(vni: Int, port: UInt16) {
    self.vni = vni
    self.port = port
  }
}

extension VXLAN: CustomStringConvertible {
  /// `vxlan id 100 dstport 4789 local 192.0.2.1 nolearning`.
  public var description: String {
    let words = [
      "vxlan id \(vni) dstport \(port)", local.map { "local \($0)" }, group.map { "group \($0)" },
      ttl.map { "ttl \($0)" }, df.map { "df \($0.rawValue)" }, learns ? "learning" : "nolearning",
      udpChecksum.map { $0 ? "udpcsum" : "noudpcsum" },
      sendsZeroChecksums.map { $0 ? "udp6zerocsumtx" : "noudp6zerocsumtx" },
      acceptsZeroChecksums.map { $0 ? "udp6zerocsumrx" : "noudp6zerocsumrx" },
    ]
    return words.compactMap { $0 }.joined(separator: " ")
  }
}

/// The entries and routes of a VXLAN device for the network's other hosts.
///
/// Permanent entries of these kinds that are not listed here are deleted; entries from traffic or a routing daemon stay.
public struct TunnelTables: Equatable, Sendable {
  public var device: InterfaceName
  /// FDB entries of the device, and of its bridge for the device's port.
  public var fdbEntries: Set<FDBSpec> = []
  /// Neighbour entries on the device, or on the bridge that answers ARP and neighbour discovery.
  public var neighbours: Set<NeighbourSpec> = []
  /// The link with the neighbour entries.
  public var neighbourLink: InterfaceName
  /// Routes through the device, by gateways on it.
  public var routes: Set<RouteSpec> = []
  /// The metric that marks our routes through other links of the host; `nil`: there are none, and none are looked up.
  public var directMetric: Int?
  public var directRoutes: Set<RouteSpec> = []

  /// - Parameters:
  ///   - device: the VXLAN device.
  ///   - neighbourLink: the link with the neighbour entries; `nil`: the device.
  public init(of device: InterfaceName, neighboursOn neighbourLink: InterfaceName? = nil) {
    self.device = device
    self.neighbourLink = neighbourLink ?? device
  }

  public var isEmpty: Bool {
    fdbEntries.isEmpty && neighbours.isEmpty && routes.isEmpty && directRoutes.isEmpty
  }

  /// The changes that make `found` equal to this; obsolete entries first, and routes after the entries they need.
  public func changes(from found: TunnelTables) -> [Change] {
    changes(from: found, sharesMetric: routes.count <= Self.sharedMetricLimit)
  }

  /// With more routes than that, each gets a metric of its own part of the network.
  ///
  /// Linux compares a new IPv4 route with all others that have the same link, source and metric.
  static let sharedMetricLimit = 256

  fileprivate func changes(from found: TunnelTables, sharesMetric: Bool) -> [Change] {
    let kept = Set(neighbours.map { $0.key }), ownTunnels = ownTunnels
    return found.routes.filter { !routes.contains($0) }.map { .deleteRoute($0) }
      + found.directRoutes.filter { !directRoutes.contains($0) }.map { .deleteRoute($0) }
      + found.neighbours.filter { !kept.contains($0.key) }.map { .deleteNeighbour($0) }
      + found.fdbEntries.filter { !fdbEntries.contains($0) && !$0.isReplaced(by: ownTunnels) }.map { .deleteFDB($0) }
      + fdbEntries.filter { !found.fdbEntries.contains($0) }.map { .setFDB($0) }
      + neighbours.filter { !found.neighbours.contains($0) }.map { .setNeighbour($0) }
      + routes.filter { !found.routes.contains($0) }.map { .addRoute(sharesMetric ? $0 : $0.withOwnMetric) }
      + directRoutes.filter { !found.directRoutes.contains($0) }.map { .addRoute($0) }
  }

  private var ownTunnels: Set<MACAddress> {
    Set(fdbEntries.compactMap { if case .tunnel = $0.table { $0.mac } else { nil } })
  }
}

extension FDBSpec {
  /// Whether a wanted entry replaces this one: only the all-zero MAC address can have several tunnel ends.
  fileprivate func isReplaced(by tunnels: Set<MACAddress>) -> Bool {
    guard case .tunnel = table, !mac.isZero else { return false }
    return tunnels.contains(mac)
  }
}

/// The entries in which two states of a VXLAN device's tables differ.
public struct TunnelTablesUpdate: Equatable, Sendable {
  /// The entries that only the old state has.
  public var old: TunnelTables
  /// The entries that only the new state has.
  public var new: TunnelTables
  private var sharesMetric: Bool

  public init(from old: TunnelTables, to new: TunnelTables) {
    self.old = old.without(new)
    self.new = new.without(old)
    sharesMetric = new.routes.count <= TunnelTables.sharedMetricLimit
  }

  public var isEmpty: Bool { old.isEmpty && new.isEmpty }

  public var inverse: TunnelTablesUpdate {
    var inverse = self
    (inverse.old, inverse.new) = (new, old)
    return inverse
  }

  public var changes: [Change] { new.changes(from: old, sharesMetric: sharesMetric) }

  /// The changes that are still to be made where the tables are `found`.
  func left(in found: TunnelTables) -> [Change] {
    new.without(found).changes(from: old.without(old.without(found)), sharesMetric: sharesMetric)
  }
}

extension TunnelTables {
  /// The entries that `other` does not have.
  fileprivate func without(_ other: TunnelTables) -> TunnelTables {
    var rest = self
    rest.fdbEntries = fdbEntries.filter { !other.fdbEntries.contains($0) }
    rest.neighbours = neighbours.filter { !other.neighbours.contains($0) }
    rest.routes = routes.filter { !other.routes.contains($0) }
    rest.directRoutes = directRoutes.filter { !other.directRoutes.contains($0) }
    return rest
  }
}

extension NeighbourSpec {
  /// The key by which the kernel finds an entry.
  fileprivate var key: NeighbourSpec {
    NeighbourSpec(address, mac: mac == nil ? nil : MACAddress(value: 0), on: interface, netns)
  }
}

extension Kernel where Self: ~Copyable {
  /// The present tables of the kinds that `wanted` has, of the same device.
  ///
  /// - Throws: ENODEV if the device or the link with the neighbour entries is missing.
  public mutating func tunnelTables(like wanted: TunnelTables) throws(KernelError) -> TunnelTables {
    var found = TunnelTables(of: wanted.device, neighboursOn: wanted.neighbourLink)
    found.directMetric = wanted.directMetric
    found.fdbEntries = Set(try fdbEntries(of: wanted.device).filter { $0.isPermanent })
    found.neighbours = Set(try neighbours(of: wanted.neighbourLink))
    found.routes = Set(try routes(of: wanted.device, on: .host).map { $0.throughTunnel })
    if let metric = wanted.directMetric {
      found.directRoutes = Set(
        try hostRoutes(metric: metric).filter { $0.interface != wanted.device }.map { $0.withoutKernelAttributes })
    }
    return found
  }
}

extension FDBSpec {
  fileprivate var isPermanent: Bool { table != .externallyLearned }
}

extension RouteSpec {
  /// The route with a metric from 1 to 1024 that follows from its destination; in IPv6 the route itself.
  fileprivate var withOwnMetric: RouteSpec {
    guard dst.family == .v4 else { return self }
    var route = self
    route.priority = 1 + Int(dst.address.value >> UInt128(dst.family.bitWidth - dst.length)) & 1023
    return route
  }

  /// The route without attributes that the kernel adds by itself.
  fileprivate var withoutKernelAttributes: RouteSpec {
    var route = RouteSpec(dst, via: gateway, on: interface, netns)
    route.priority = priority
    route.source = source
    return route
  }

  fileprivate var throughTunnel: RouteSpec {
    var route = withoutKernelAttributes
    route.priority = nil  // the kernel adds a metric in IPv6
    route.isOnLink = gateway != nil
    return route
  }
}

/// The path of packets to an address, as `ip route get` shows it.
public struct RoutePath: Equatable, Sendable {
  /// The link by which they leave.
  public var link: LinkInfo
  /// The next hop; `nil` if the address is on that link.
  public var gateway: IPAddress?
  /// Their source address.
  public var source: IPAddress?
  /// The MTU of the route in bytes; `nil`: the link's.
  public var mtu: Int?

  public init(_ link: LinkInfo, gateway: IPAddress? = nil, source: IPAddress? = nil, mtu: Int? = nil) {
    self.link = link
    self.gateway = gateway
    self.source = source
    self.mtu = mtu
  }
}
