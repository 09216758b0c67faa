public import NetTypes

/// Settings of a VXLAN device, RFC 7348 and `ip-link(8)`; what is `nil` is left to the kernel.
public struct VXLAN: Hashable, Sendable {
  public enum DontFragment: String, CaseIterable, Sendable {
    case unset
    case set
    /// As the packet inside has it.
    case inherit
  }

  /// The network identifier, 1 to 2^24 - 1.
  public var vni: Int
  /// The UDP port that packets go to and come from.
  public var port: UInt16
  /// The address of this host that packets leave with.
  public var local: IPAddress?
  /// The multicast group that stands for all other ends.
  public var group: IPAddress?
  /// Of the packets outside; 0 leaves it to the kernel.
  public var ttl: Int?
  public var df: DontFragment?
  /// Whether the device learns from what arrives which end a hardware address is behind.
  public var learns = false
  public var udpChecksum: Bool?
  /// Whether packets without UDP checksum are sent over IPv6.
  public var sendsZeroChecksums: Bool?
  /// Whether such are taken.
  public var takesZeroChecksums: Bool?

  /// How many forwarding entries a device that learns has at most (`maxaddr`), those that are set among them.
  public static let mostLearned = 16384

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
      ttl.map { "ttl \($0)" }, df.map { "df \($0)" }, learns ? "learning" : "nolearning",
      udpChecksum.map { $0 ? "udpcsum" : "noudpcsum" },
      sendsZeroChecksums.map { $0 ? "udp6zerocsumtx" : "noudp6zerocsumtx" },
      takesZeroChecksums.map { $0 ? "udp6zerocsumrx" : "noudp6zerocsumrx" },
    ]
    return words.compactMap(\.self).joined(separator: " ")
  }
}

/// All that a VXLAN device knows of the network's other hosts.
///
/// What of these kinds is set for good there and not named here goes; what was learnt from traffic or by a routing
/// daemon stays.
public struct TunnelTables: Equatable, Sendable {
  public var device: InterfaceName
  /// The device's own entries, and those of the bridge for it as a port.
  public var forwarding: Set<FDBSpec> = []
  /// On the device, or on the bridge that answers for them.
  public var neighbours: Set<NeighbourSpec> = []
  /// Where neighbours are looked for.
  public var neighbourLink: InterfaceName
  /// Out of the device, by gateways that are on it.
  public var routes: Set<RouteSpec> = []
  /// Out of other links of the host, to be known by this metric; `nil`: none, and none are looked for.
  public var directMetric: Int?
  public var directRoutes: Set<RouteSpec> = []

  /// - Parameters:
  ///   - device: the VXLAN device.
  ///   - neighbourLink: where neighbours are; `nil`: the device.
  public init(of device: InterfaceName, neighboursOn neighbourLink: InterfaceName? = nil) {
    self.device = device
    self.neighbourLink = neighbourLink ?? device
  }

  public var isEmpty: Bool {
    forwarding.isEmpty && neighbours.isEmpty && routes.isEmpty && directRoutes.isEmpty
  }

  /// What makes `found` like this one: what leads nowhere goes first, and routes come after what they need.
  public func changes(from found: TunnelTables) -> [Change] {
    let kept = Set(neighbours.map(\.place))
    return found.routes.subtracting(routes).map { .deleteRoute($0) }
      + found.directRoutes.subtracting(directRoutes).map { .deleteRoute($0) }
      + found.neighbours.filter { !kept.contains($0.place) }.map { .deleteNeighbour($0) }
      + found.forwarding.subtracting(forwarding).filter { gone in !isReplaced(gone) }.map { .deleteFDB($0) }
      + forwarding.subtracting(found.forwarding).map { .setFDB($0) }
      + neighbours.subtracting(found.neighbours).map { .setNeighbour($0) }
      + routes.subtracting(found.routes).map { .addRoute($0) }
      + directRoutes.subtracting(found.directRoutes).map { .addRoute($0) }
  }

  /// Whether a wanted entry takes its place: only zeros can lead to several ends.
  private func isReplaced(_ entry: FDBSpec) -> Bool {
    guard case .tunnel = entry.table, !entry.mac.isZero else { return false }
    return ownTunnels.contains(entry.mac)
  }

  private var ownTunnels: Set<MACAddress> {
    Set(forwarding.compactMap { if case .tunnel = $0.table { $0.mac } else { nil } })
  }
}

extension NeighbourSpec {
  /// What the kernel finds an entry by.
  fileprivate var place: NeighbourSpec {
    NeighbourSpec(address, mac: mac == nil ? nil : MACAddress(value: 0), on: interface, side)
  }
}

extension Kernel where Self: ~Copyable {
  /// What is there of what `wanted` names: the same device and the same kinds.
  ///
  /// - Throws: ENODEV where the device or the neighbours' link is missing.
  public mutating func tables(like wanted: TunnelTables) throws(KernelError) -> TunnelTables {
    var found = TunnelTables(of: wanted.device, neighboursOn: wanted.neighbourLink)
    found.directMetric = wanted.directMetric
    found.forwarding = Set(try forwarding(of: wanted.device).filter(\.isForGood))
    found.neighbours = Set(try neighbours(of: wanted.neighbourLink))
    found.routes = Set(try routes(of: wanted.device, on: .host).map(\.throughTunnel))
    if let metric = wanted.directMetric {
      found.directRoutes = Set(try hostRoutes(metric: metric).filter { $0.interface != wanted.device }.map(\.asWritten))
    }
    return found
  }
}

extension FDBSpec {
  fileprivate var isForGood: Bool { table != .externallyLearned }
}

extension RouteSpec {
  /// The route without what the kernel adds of its own accord.
  fileprivate var asWritten: RouteSpec {
    var route = RouteSpec(dst, via: gateway, on: interface, side)
    route.priority = priority
    route.source = source
    return route
  }

  fileprivate var throughTunnel: RouteSpec {
    var route = asWritten
    route.priority = nil  // which IPv6 adds
    route.isOnLink = gateway != nil
    return route
  }
}

/// Where packets to an address go, as `ip route get` tells.
public struct RoutePath: Equatable, Sendable {
  /// The link they leave by.
  public var link: LinkInfo
  /// The next host; `nil` where the address is on that link.
  public var gateway: IPAddress?
  /// The address they leave with.
  public var source: IPAddress?
  /// Largest packet of the route, in bytes; `nil`: the link's.
  public var mtu: Int?

  public init(_ link: LinkInfo, gateway: IPAddress? = nil, source: IPAddress? = nil, mtu: Int? = nil) {
    self.link = link
    self.gateway = gateway
    self.source = source
    self.mtu = mtu
  }
}
