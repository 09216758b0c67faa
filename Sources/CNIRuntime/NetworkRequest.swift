public import CNI
public import NetTypes

/// A network that an operator asks for in words, to be written as a list.
public struct NetworkRequest: Sendable {
  public var name: NetworkName
  public var driver = Driver.bridge
  public var version = standardVersion
  public var subnets: [IPPrefix] = []
  public var gateways: [IPAddress] = []
  /// The parts of the subnets to hand out addresses of.
  public var ranges: [IPPrefix] = []
  /// Adds an IPv6 subnet where none is named.
  public var ipv6 = false
  /// Reaches its members and nobody else; on a master's wire, whoever is there and nobody beyond.
  public var isInternal = false
  /// Largest packet, in bytes; `nil` for the plugin's choice.
  public var mtu: Int?
  /// Further keys of the plugin.
  public var options: [String: JSONValue] = [:]

  public init(name: NetworkName) { self.name = name }
}

extension NetworkRequest {
  /// What every runtime reads; those on libcni before 1.2 refuse a newer one.
  public static let standardVersion = SpecVersion.v1_0_0

  /// Those that have chains of plugins and CHECK.
  public static let versions: [SpecVersion] = [.v0_4_0, .v1_0_0, .v1_1_0]

  /// The list, ready to be written to a file.
  ///
  /// A bridge is named after the network's `id`.
  ///
  /// - Returns: a JSON object.
  /// - Throws: code 7 naming what does not fit together.
  public func list(id: String) throws(CNIError) -> JSONValue {
    .object([
      "cniVersion": .string(version.rawValue), "name": .string(name.description),
      "plugins": .array([try plugin(id: id)] + chained),
    ])
  }

  /// Published ports, and passage where the host forwards only what is admitted.
  private var chained: [JSONValue] {
    guard driver.leadsByHost, !isInternal, !isBetweenContainers else { return [] }
    return [
      .object(["type": "portmap", "capabilities": .object(["portMappings": .bool(true)])]),
      .object(["type": "firewall"]),
    ]
  }

  private func plugin(id: String) throws(CNIError) -> JSONValue {
    try checkFit()
    if driver == .overlay { return try overlay() }
    var members: [String: JSONValue] = ["type": .string(driver.plugin)]
    if driver.hasAddresses {
      members["capabilities"] = capabilities
      members["ipam"] = try ipam()
    }
    if let mtu { members["mtu"] = .integer(Int64(try checked(mtu))) }
    if driver == .bridge { members["bridge"] = .string("br-" + id.prefix(12)) }
    if driver == .bridge, isInternal {
      members["internal"] = .bool(true)
    } else if driver == .bridge {
      members["isGateway"] = .bool(true)
      members["ipMasq"] = .bool(true)
      members["isolation"] = "network"
    } else if driver == .ptp, !isBetweenContainers {
      members["ipMasq"] = .bool(true)
    }
    return .object(members.merging(try byKey(options)) { _, chosen in chosen })
  }

  var capabilities: JSONValue {
    .object(Dictionary(driver.capabilities.map { ($0, .bool(true)) }, uniquingKeysWith: { first, _ in first }))
  }

  /// Whether the far end of a `ptp` link is in another container, which is no way to anybody else.
  private var isBetweenContainers: Bool {
    driver == .ptp && !["host", "", nil].contains(options["peer"]?.string)
  }

  private func checkFit() throws(CNIError) {
    if !driver.hasAddresses, !subnets.isEmpty || !gateways.isEmpty || !ranges.isEmpty || ipv6 || isInternal {
      throw CNIError(.invalidNetworkConfig, "a network of driver \(driver.rawValue) has no addresses of its own")
    }
    if !driver.hasMTU, mtu != nil {
      throw CNIError(.invalidNetworkConfig, "a network of driver \(driver.rawValue) has no MTU of its own")
    }
    if isInternal, driver == .ptp {
      throw CNIError(
        .invalidNetworkConfig,
        "internal: in a network of driver \(driver.rawValue) all that containers send goes by the host: want driver bridge"
      )
    }
  }

  /// - Throws: code 7 for an option that the plugin does not know, and for one that is there under both its names.
  func byKey(_ options: [String: JSONValue]) throws(CNIError) -> [String: JSONValue] {
    let known = KeyTables.plugin(driver.plugin) ?? []
    var members: [String: JSONValue] = [:]
    for (option, value) in options.sorted(by: { $0.key < $1.key }) {
      let key = driver.key(forOption: option)
      if let complaint = KeyCheck.complaints([key: value], known: known, at: "").first {
        throw CNIError(.invalidNetworkConfig, "option \(option): \(complaint)")
      }
      guard key != "ipam", key != "type" else {
        throw CNIError(.invalidNetworkConfig, "option \(option): cannot be set so; write the file by hand")
      }
      guard members.updateValue(value, forKey: key) == nil else {
        throw CNIError(.invalidNetworkConfig, "option \(option): is the plugin's \(key), which is given too: want one")
      }
    }
    if driver == .vlan, members["master"] == nil {
      throw CNIError(.invalidNetworkConfig, "option parent is missing: want the link that carries the VLAN")
    }
    return members
  }

  func checked(_ mtu: Int) throws(CNIError) -> Int {
    let least = ipv6 || subnets.contains { $0.family == .v6 } ? 1280 : KeyRange.mtu.lowerBound
    guard (least...KeyRange.mtu.upperBound).contains(mtu) else {
      throw CNIError(.invalidNetworkConfig, "mtu \(mtu): want \(least) to \(KeyRange.mtu.upperBound)")
    }
    return mtu
  }

  /// - Throws: code 7 for a gateway or a range outside of all subnets.
  func checkRanges() throws(CNIError) {
    for gateway in gateways where !subnets.contains(where: { $0.contains(gateway) }) {
      throw CNIError(.invalidNetworkConfig, "gateway \(gateway): want an address in one of the subnets \(subnets)")
    }
    for range in ranges where !subnets.contains(where: { $0.contains(range.first) && $0.contains(range.last) }) {
      throw CNIError(.invalidNetworkConfig, "ip range \(range): want a part of one of the subnets \(subnets)")
    }
  }

  private func ipam() throws(CNIError) -> JSONValue {
    try checkRanges()
    var sets = try subnets.map { subnet throws(CNIError) in try rangeSet(subnet) }
    if subnets.isEmpty { sets.append(automatic(.v4)) }
    if ipv6, !subnets.contains(where: { $0.family == .v6 }) { sets.append(automatic(.v6)) }
    var members: [String: JSONValue] = ["type": .string("ipam-host-local"), "ranges": .array(sets)]
    if !isInternal, !isBetweenContainers, driver != .dummy {
      let v4 = subnets.isEmpty || subnets.contains { $0.family == .v4 }
      let v6 = ipv6 || subnets.contains { $0.family == .v6 }
      let families: [IPFamily] = (v4 ? [.v4] : []) + (v6 ? [.v6] : [])
      members["routes"] = .array(families.map { .object(["dst": .string(IPPrefix.everything($0).description)]) })
    }
    return .object(members)
  }

  private func automatic(_ subnet: AutomaticSubnet) -> JSONValue {
    .array([.object(["subnet": .string(subnet.rawValue)])])
  }

  /// One range, since a set is a pool of which a container gets one address.
  func rangeSet(_ subnet: IPPrefix) throws(CNIError) -> JSONValue {
    var members: [String: JSONValue] = ["subnet": .string(subnet.network.description)]
    members["gateway"] = gateways.first(where: subnet.contains).map { .string($0.description) }
    let parts = ranges.filter { subnet.contains($0.first) }
    guard parts.count <= 1 else {
      throw CNIError(.invalidNetworkConfig, "ip ranges \(parts) of subnet \(subnet): want one at most")
    }
    if let part = parts.first {
      // Neither the network's own address nor, in IPv4, its broadcast address is a host's.
      let first = part.first == subnet.first ? part.first.advanced(by: 1) ?? part.first : part.first
      let last = subnet.family == .v4 && part.last == subnet.last ? part.last.predecessor ?? part.last : part.last
      members["rangeStart"] = .string(first.description)
      members["rangeEnd"] = .string(last.description)
    }
    return .array([.object(members)])
  }
}
