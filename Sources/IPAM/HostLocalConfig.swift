public import CNI
public import NetTypes

/// The part of a network configuration that `ipam-host-local` uses.
public struct HostLocalConfig: JSONReadable, Equatable, Sendable {
  public var cniVersion: String?
  /// The main plugin; its `bridge` is used if no subnet is given.
  public var type: String?
  public var bridge: InterfaceName?
  public var ipam: IPAM?
  /// The range sets of `runtimeConfig`, which come before the configured ones.
  public var ipRanges: [[RangeConfig]]?

  /// A configuration with nothing but the directory of the leases.
  public init(dataDir: String) {
    ipam = IPAM(dataDir: dataDir.isEmpty ? nil : dataDir)
  }

  public init(_ json: JSONReader) throws(CNIError) {
    cniVersion = try json.text("cniVersion")
    type = try json.text("type")
    bridge = try json.parsed("bridge")
    ipam = try json.object("ipam")
    ipRanges = try json["runtimeConfig"]?.rangeSets("ipRanges")
  }

  public struct IPAM: JSONReadable, Equatable, Sendable {
    /// `subnet`, `rangeStart`, `rangeEnd` and `gateway` directly in `ipam`, the old form without `ranges`.
    public var legacy: RangeConfig
    public var ranges: [[RangeConfig]]?
    public var routes: [Route]?
    /// The directory of all networks' leases; `nil`: `StatePaths.leases`.
    public var dataDir: String?
    /// A file in the form of `resolv.conf(5)`; its settings become the result's `dns`.
    public var resolvConf: String?
    /// Addresses that are never handed out, in any range.
    public var exclude: [AddressSpan]?
    /// Whether a container gets the address that a container of the same name had before.
    public var sticky: Bool?

    init(dataDir: String?) {
      legacy = RangeConfig()
      self.dataDir = dataDir
    }

    public init(_ json: JSONReader) throws(CNIError) {
      legacy = try RangeConfig(json)
      exclude = legacy.exclude
      legacy.exclude = nil  // directly in `ipam`, `exclude` applies to every range
      ranges = try json.rangeSets("ranges")
      routes = try json.objects("routes")
      dataDir = try json.nonEmptyText("dataDir")
      resolvConf = try json.nonEmptyText("resolvConf")
      sticky = try json.flag("sticky")
    }
  }

  public var dataDir: String { ipam?.dataDir ?? StatePaths.leases }
}

/// One range as written.
public struct RangeConfig: JSONReadable, Equatable, Sendable {
  public var subnet: SubnetSource?
  public var rangeStart: IPAddress?
  public var rangeEnd: IPAddress?
  public var gateway: IPAddress?
  public var exclude: [AddressSpan]?

  public init(_ json: JSONReader) throws(CNIError) {
    subnet = try json.parsed("subnet")
    rangeStart = try json.parsed("rangeStart")
    rangeEnd = try json.parsed("rangeEnd")
    gateway = try json.parsed("gateway")
    exclude = try json.parsedList("exclude")
  }

  public init(subnet: SubnetSource? = nil) { self.subnet = subnet }
}

extension JSONReader {
  fileprivate func rangeSets(_ key: String) throws(CNIError) -> [[RangeConfig]]? {
    try list(key) { (set) throws(CNIError) in
      var ranges: [RangeConfig] = []
      for range in try set.elements() { ranges.append(try range.object()) }
      return ranges
    }
  }
}

/// A subnet as written: a prefix, or a request for an unused subnet.
public enum SubnetSource: TextCodable {
  case fixed(IPPrefix)
  case automatic(IPFamily)

  public static let expectedForm = "a subnet such as 10.1.0.0/16 or fd00::/64, \"auto\" or \"auto-ipv6\""

  public init?(_ text: String) {
    switch text {
    case "auto": self = .automatic(.v4)
    case "auto-ipv6": self = .automatic(.v6)
    default:
      guard let prefix = IPPrefix(text) else { return nil }
      self = .fixed(prefix)
    }
  }

  public var description: String {
    switch self {
    case .fixed(let prefix): prefix.description
    case .automatic(.v4): "auto"
    case .automatic(.v6): "auto-ipv6"
    }
  }
}

extension HostLocalConfig {
  /// The families with the subnet `auto` or `auto-ipv6`.
  public var automaticFamilies: [IPFamily] {
    configuredSets.flatMap { $0.ranges }.compactMap { range in
      if case .automatic(let family) = range.range.subnet { family } else { nil }
    }
  }

  /// The bridge whose addresses give the subnets; `nil` if the configuration has subnets.
  public var subnetBridge: InterfaceName? {
    guard ipam != nil, configuredSets.isEmpty else { return nil }
    return bridge ?? (type == "bridge" ? InterfaceName("cni0") : nil)
  }

  /// All range sets, in the order of the addresses in the result; a set's index is also the N of `last_reserved_ip.N`.
  ///
  /// `autoSubnets` has the subnets for `auto`; `bridgeAddresses` are those of `subnetBridge`.
  ///
  /// - Throws: code 7 naming key and value; 102 if there is no unused subnet for `auto`.
  public func rangeSets(
    autoSubnets: [IPFamily: IPPrefix] = [:], bridgeAddresses: [IPPrefix] = []
  ) throws(CNIError) -> [RangeSet] {
    guard let ipam else { throw refusal("key \"ipam\": missing: want an object with subnet or ranges") }
    let configured = configuredSets.isEmpty ? derivedSets(bridgeAddresses) : configuredSets
    guard !configured.isEmpty else { throw missingRangesError }
    try checkLegacy(ipam.legacy)
    try checkAutomatic()
    var sets: [RangeSet] = []
    for set in configured { sets.append(try set.resolved(autoSubnets: autoSubnets, excluded: ipam.exclude ?? [])) }
    try checkOverlaps(sets)
    try checkExcludes(sets)
    try checkFamilies(sets)
    try checkRoutes()
    return sets
  }

  private var configuredSets: [ConfiguredRangeSet] {
    var sets: [ConfiguredRangeSet] = []
    for (index, ranges) in (ipRanges ?? []).enumerated() {
      sets.append(ConfiguredRangeSet(key: "runtimeConfig.ipRanges[\(index)]", ranges))
    }
    if let legacy = ipam?.legacy, legacy.subnet != nil {
      sets.append(ConfiguredRangeSet(key: "ipam.subnet", ranges: [ConfiguredRange(key: "ipam", range: legacy)]))
    }
    for (index, ranges) in (ipam?.ranges ?? []).enumerated() {
      sets.append(ConfiguredRangeSet(key: "ipam.ranges[\(index)]", ranges))
    }
    return sets
  }

  /// One range set for the bridge's first address of each family; that address is the gateway.
  private func derivedSets(_ addresses: [IPPrefix]) -> [ConfiguredRangeSet] {
    var sets: [ConfiguredRangeSet] = []
    for family in IPFamily.allCases {
      guard let address = addresses.first(where: { $0.family == family && $0.hostBits > 0 }) else { continue }
      var range = RangeConfig(subnet: .fixed(address.network))
      range.gateway = address.address
      if let legacy = ipam?.legacy {
        range.rangeStart = legacy.rangeStart?.family == family ? legacy.rangeStart : nil
        range.rangeEnd = legacy.rangeEnd?.family == family ? legacy.rangeEnd : nil
        if let gateway = legacy.gateway, gateway.family == family { range.gateway = gateway }
      }
      sets.append(ConfiguredRangeSet(key: "ipam", ranges: [ConfiguredRange(key: "ipam", range: range)]))
    }
    return sets
  }

  private var missingRangesError: CNIError {
    guard let bridge = subnetBridge else { return refusal("key \"ipam\": no IP ranges: want subnet or ranges") }
    return refusal(
      "key \"ipam\": no IP ranges, and bridge \(bridge) has no address to take them from: want subnet or ranges")
  }

  /// Refuses `rangeStart`, `rangeEnd` and `gateway` beside `ranges`, where they have no subnet.
  private func checkLegacy(_ legacy: RangeConfig) throws(CNIError) {
    guard legacy.subnet == nil, !configuredSets.isEmpty else { return }
    for (key, value) in [("rangeStart", legacy.rangeStart), ("rangeEnd", legacy.rangeEnd), ("gateway", legacy.gateway)]
    {
      guard let value else { continue }
      throw refusal("ipam.\(key) \(value): there is no ipam.subnet: want this key beside the subnet of its range")
    }
  }

  private func checkAutomatic() throws(CNIError) {
    let families = automaticFamilies
    guard families.count > Set(families).count, let family = families.last else { return }
    throw refusal("key \"subnet\": \"\(SubnetSource.automatic(family))\" is written twice: want it once for a network")
  }

  private func checkOverlaps(_ sets: [RangeSet]) throws(CNIError) {
    for (index, set) in sets.enumerated() {
      for other in sets[..<index] {
        for range in set.ranges {
          guard let hit = other.ranges.first(where: { $0.span.overlaps(range.span) }) else { continue }
          throw refusal("\(set.key) overlaps \(other.key): \(range.span) and \(hit.span)")
        }
      }
    }
  }

  private func checkExcludes(_ sets: [RangeSet]) throws(CNIError) {
    let subnets = sets.flatMap { $0.ranges }.map { AddressSpan($0.subnet) }
    // An automatic subnet is not known when the configuration is written.
    for (index, span) in (ipam?.exclude ?? []).enumerated() where automaticFamilies.isEmpty {
      guard subnets.contains(where: span.overlaps) else {
        throw refusal("ipam.exclude[\(index)] \(span): in none of the subnets")
      }
    }
    for set in sets where set.usable.isEmpty {
      throw refusal("\(set.key) \(set): nothing is left to hand out besides gateway, broadcast and excluded addresses")
    }
  }

  private func checkFamilies(_ sets: [RangeSet]) throws(CNIError) {
    let version = try SpecVersion(configured: cniVersion)
    for family in IPFamily.allCases where version < .v0_3_0 {
      let count = sets.count { $0.family == family }
      guard count > 1 else { continue }
      throw refusal(
        "CNI version \(version.rawValue): \(count) IPv\(family.digit) range sets:"
          + " its result has one address per family: want cniVersion 0.3.0 or later")
    }
  }

  private func checkRoutes() throws(CNIError) {
    for (index, route) in (ipam?.routes ?? []).enumerated() {
      if let gateway = route.gw { try route.checkGateway(gateway) }
      let numbers: [(String, Int?, ClosedRange<Int>)] = [
        ("mtu", route.mtu, KeyRange.routeNumber), ("advmss", route.advmss, KeyRange.routeNumber),
        ("priority", route.priority, KeyRange.routeNumber), ("table", route.table, KeyRange.routeNumber),
        ("scope", route.scope, KeyRange.routeScope),
      ]
      for (key, value, range) in numbers {
        guard let value, !range.contains(value) else { continue }
        throw refusal("ipam.routes[\(index)].\(key) \(value): want \(range.lowerBound) to \(range.upperBound)")
      }
    }
  }
}

private struct ConfiguredRange {
  var key: String
  var range: RangeConfig
}

private struct ConfiguredRangeSet {
  var key: String
  var ranges: [ConfiguredRange]

  init(key: String, ranges: [ConfiguredRange]) {
    self.key = key
    self.ranges = ranges
  }

  init(key: String, _ ranges: [RangeConfig]) {
    self.key = key
    self.ranges = ranges.enumerated().map { ConfiguredRange(key: "\(key)[\($0.offset)]", range: $0.element) }
  }

  func resolved(autoSubnets: [IPFamily: IPPrefix], excluded: [AddressSpan]) throws(CNIError) -> RangeSet {
    guard !ranges.isEmpty else { throw refusal("\(key): an empty range set: want at least one range") }
    var set = RangeSet(key: key, ranges: [])
    for configured in ranges {
      let range = try configured.range.resolved(key: configured.key, autoSubnets: autoSubnets, excluded: excluded)
      if let first = set.ranges.first, first.subnet.family != range.subnet.family {
        throw refusal(
          "\(key): subnets \(first.subnet) and \(range.subnet): mixed address families: want one family in a range set")
      }
      if let hit = set.ranges.first(where: { $0.span.overlaps(range.span) }) {
        throw refusal("\(key): \(hit.span) and \(range.span) overlap")
      }
      set.ranges.append(range)
    }
    return set
  }
}
