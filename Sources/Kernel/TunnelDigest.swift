public import NetTypes

/// A short form of a VXLAN device's tables, which does not depend on the order of entries.
public struct TunnelDigest: Equatable, Sendable {
  public private(set) var count = 0
  public private(set) var sum: UInt64 = 0

  public init() {}

  public init(count: Int, sum: UInt64) {
    self.count = count
    self.sum = sum
  }

  /// The digest of tables without direct routes.
  public init(of tables: TunnelTables) {
    for entry in tables.fdbEntries { add(entry) }
    for entry in tables.neighbours { add(entry) }
    for route in tables.routes { add(route) }
  }

  public mutating func add(_ entry: FDBSpec) {
    switch entry.table {
    case .master: add(1, entry.mac, nil)
    case .port: add(2, entry.mac, nil)
    case .externallyLearned: break
    case .tunnel(let end): add(3, entry.mac, end)
    }
  }

  public mutating func add(_ entry: NeighbourSpec) { add(4, entry.mac, entry.address) }

  public mutating func add(_ route: RouteSpec) { add(routeTo: route.dst, via: route.gateway, from: route.source) }

  /// Metrics are left out, as in the comparison of tables.
  public mutating func add(routeTo destination: IPPrefix, via gateway: IPAddress?, from source: IPAddress?) {
    var hash = Self.hash(Self.hash(5, destination.address), gateway)
    hash = Self.hash((hash ^ UInt64(destination.length)).mixed, source)
    add(hash)
  }

  private mutating func add(_ kind: UInt64, _ mac: MACAddress?, _ address: IPAddress?) {
    add(Self.hash((kind.mixed ^ (mac?.value ?? 0)).mixed, address))
  }

  private mutating func add(_ hash: UInt64) {
    count += 1
    sum &+= hash
  }

  private static func hash(_ start: UInt64, _ address: IPAddress?) -> UInt64 {
    guard let address else { return (start ^ 1).mixed }
    let low = UInt64(truncatingIfNeeded: address.value), high = UInt64(truncatingIfNeeded: address.value >> 64)
    return ((start ^ low).mixed ^ high ^ (address.family == .v4 ? 0 : 1 << 63)).mixed
  }
}

extension Kernel where Self: ~Copyable {
  /// The digest of the present tables, as `tunnelTables(like:)` finds them.
  ///
  /// - Throws: ENODEV if the device or the link with the neighbour entries is missing.
  public mutating func tunnelDigest(
    of device: InterfaceName, neighboursOn link: InterfaceName
  ) throws(KernelError) -> TunnelDigest {
    var digest = TunnelDigest()
    for entry in try fdbEntries(of: device) { digest.add(entry) }
    for entry in try neighbours(of: link) { digest.add(entry) }
    for route in try routes(of: device, on: .host) { digest.add(route) }
    return digest
  }
}
