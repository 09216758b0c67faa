import CNI
import Etcd
import NetTypes

/// The value of the key `PREFIX/config`, in flannel's format (`Documentation/configuration.md` of flannel).
///
/// Members that only flannel uses are ignored.
struct FlannelNetwork: Equatable {
  /// The network's prefixes, IPv4 first.
  var prefixes: [IPPrefix]
  var vni: Int
  var port: UInt16
  var isDirectRouting: Bool
  /// The mode, which only this plugin writes; flannel has only mode `l3`.
  var mode: OverlayMode?
  /// The value with its key, for members that are read later.
  private let json: JSONReader

  /// flannel's default VNI, and Linux's default port, which flannel uses if the port is 0 or absent.
  static let defaultVNI = 1
  static let defaultPort: UInt16 = 8472

  static func == (left: FlannelNetwork, right: FlannelNetwork) -> Bool { left.json.value == right.json.value }

  static func key(_ prefix: String) -> String { "\(prefix)/config" }

  /// Parses the value of `PREFIX/config`.
  ///
  /// - Throws: code 7 naming the key in etcd and the member.
  init(_ value: JSONValue, at key: String) throws(CNIError) {
    json = JSONReader(value, path: key)
    prefixes = []
    if try json.flag("EnableIPv4") ?? true { prefixes.append(try Self.network("Network", .v4, in: json)) }
    if try json.flag("EnableIPv6") ?? false { prefixes.append(try Self.network("IPv6Network", .v6, in: json)) }
    guard !prefixes.isEmpty else { throw try json.required("EnableIPv4").refusal("true, or \"EnableIPv6\": true") }
    let backend = try json.required("Backend")
    let type = try backend.required("Type")
    guard try type.text() == "vxlan" else { throw type.refusal("vxlan") }
    if try backend.flag("GBP") == true { throw try backend.required("GBP").refusal("false") }
    vni = try backend.integer("VNI") ?? Self.defaultVNI
    guard KeyRange.vni.contains(vni) else { throw try backend.required("VNI").refusal("1 to 16777215") }
    let port = try backend.integer("Port") ?? 0
    guard let port = UInt16(exactly: port) else { throw try backend.required("Port").refusal("0 to 65535") }
    self.port = port == 0 ? Self.defaultPort : port
    isDirectRouting = try backend.flag("DirectRouting") ?? false
    mode = try backend["Mode"].map { (mode) throws(CNIError) in
      guard let parsedMode = OverlayMode(rawValue: try mode.text()) else { throw mode.refusal("l2 or l3") }
      return parsedMode
    }
  }

  private static func network(_ name: String, _ family: IPFamily, in json: JSONReader) throws(CNIError) -> IPPrefix {
    let member = try json.required(name)
    let prefix = try member.parsed(as: IPPrefix.self).network
    guard prefix.family == family else { throw member.refusal("an IPv\(family.digit) prefix") }
    return prefix
  }

  /// The subnets that hosts may have, one range for each family.
  ///
  /// As in flannel, the first subnet of a network is never used, and a network has room for at least four subnets.
  func pools() throws(CNIError) -> [SubnetPool] {
    var pools: [SubnetPool] = []
    for prefix in prefixes {
      let names = prefix.family == .v4 ? "" : "IPv6"
      pools.append(try pool(in: prefix, "\(names)SubnetLen", "\(names)SubnetMin", "\(names)SubnetMax"))
    }
    return pools
  }

  private func pool(
    in prefix: IPPrefix, _ lengthKey: String, _ firstKey: String, _ lastKey: String
  ) throws(CNIError) -> SubnetPool {
    let shortest = prefix.length + 2
    let longest = prefix.family.bitWidth - 2
    let usual = prefix.family == .v4 ? 24 : 64
    let written = try json.integer(lengthKey).flatMap { $0 == 0 ? nil : $0 }
    let length = written ?? max(usual, shortest)
    guard shortest <= longest, (shortest...longest).contains(length) else {
      throw CNIError(
        .invalidNetworkConfig,
        "etcd \(json.path): \(lengthKey) \(length) in \(prefix): want room for four subnets, each /\(longest) or larger"
      )
    }
    var pool = SubnetPool(in: prefix, length: length)
    if let first = try bound(firstKey, pool) { pool.first = first }
    if let last = try bound(lastKey, pool) { pool.last = last }
    guard pool.first <= pool.last else { throw try json.required(firstKey).refusal("at most \(pool.last)") }
    return pool
  }

  /// `nil` if the key is absent or is the all-zero address, by which flannel means "no limit".
  private func bound(_ key: String, _ pool: SubnetPool) throws(CNIError) -> IPAddress? {
    guard let member = json[key] else { return nil }
    let address = try member.parsed(as: IPAddress.self)
    if address.value == 0 { return nil }
    let isStart = IPPrefix(address, length: pool.length)?.first == address
    guard pool.prefix.contains(address), isStart else {
      throw member.refusal("the first address of a /\(pool.length) in \(pool.prefix)")
    }
    return address
  }
}

extension FlannelNetwork {
  /// The value that a host writes if etcd has none; `nil` if the host's configuration lacks `vni` or `network`.
  ///
  /// - Throws: code 7 if flannel's format cannot express the configuration.
  static func initial(
    for host: OverlayHost, subnetLength: Int?, at key: String
  ) throws(CNIError) -> (network: FlannelNetwork, value: JSONValue)? {
    guard let vni = host.vni, !host.network.isEmpty else { return nil }
    var members: [String: JSONValue] = [:]
    for family in IPFamily.allCases {
      let own = host.network.filter { $0.family == family }
      guard own.count <= 1 else {
        throw CNIError(
          .invalidNetworkConfig,
          "key \"network\": \(own[0]), \(own[1]): want at most one prefix of each family, because etcd's \(key) holds no more"
        )
      }
      guard let prefix = own.first else { continue }
      members[family == .v4 ? "Network" : "IPv6Network"] = .string(prefix.network.description)
    }
    let hasV4 = members["Network"] != nil
    if !hasV4 { members["EnableIPv4"] = .bool(false) }
    if members["IPv6Network"] != nil { members["EnableIPv6"] = .bool(true) }
    if let subnetLength, host.mode == .l3 {
      members[hasV4 ? "SubnetLen" : "IPv6SubnetLen"] = .integer(Int64(subnetLength))
    }
    members["Backend"] = .object([
      "Type": "vxlan", "VNI": .integer(Int64(vni)), "Port": .integer(Int64(host.port ?? defaultPort)),
      "Mode": .string(host.mode.rawValue),
    ])
    let value = JSONValue.object(members)
    return (try FlannelNetwork(value, at: key), value)
  }

  /// Checks that a host's configuration agrees with etcd's.
  ///
  /// - Throws: code 7 with both values if they differ.
  func requireAgreement(with host: OverlayHost) throws(CNIError) {
    try requireEqual("vni", host.vni, vni)
    try requireEqual("dstport", host.port, port)
    try requireEqual("mode", host.mode, mode ?? host.mode)
    let own = Set(host.network.map { $0.network })
    guard own.isEmpty || own == Set(prefixes) else {
      throw disagreement("network", host.network.map { $0.description }, prefixes.map { $0.description })
    }
  }

  private func requireEqual<Value: Equatable & CustomStringConvertible>(_ key: String, _ own: Value?, _ theirs: Value)
    throws(CNIError)
  {
    guard let own, own != theirs else { return }
    throw disagreement(key, ["\(own)"], ["\(theirs)"])
  }

  private func disagreement(_ key: String, _ own: [String], _ theirs: [String]) -> CNIError {
    let both = [own, theirs].map { $0.joined(separator: ", ") }
    return CNIError(.invalidNetworkConfig, "key \"\(key)\": \(both[0]): etcd has \(both[1]) in \(json.path)")
  }
}
