public import CNI
public import NetTypes

/// The options of `cnictl network create`, from which a network list is made.
public struct NetworkRequest: Sendable {
  public var name: NetworkName
  public var driver = Driver.bridge
  public var version = standardVersion
  public var subnets: [IPPrefix] = []
  public var gateways: [IPAddress] = []
  /// The parts of the subnets from which addresses are handed out.
  public var ranges: [IPPrefix] = []
  /// Adds an IPv6 subnet if none is given.
  public var ipv6 = false
  /// No packets leave the network; with a master, none leave the layer 2 network of the master's link.
  public var isInternal = false
  /// Largest packet, in bytes; `nil` for the plugin's choice.
  public var mtu: Int?
  /// Further keys of the plugin.
  public var options: [String: JSONValue] = [:]

  public init(name: NetworkName) { self.name = name }
}

extension NetworkRequest {
  /// The version that every runtime supports; libcni before 1.2 refuses newer ones.
  public static let standardVersion = SpecVersion.v1_0_0

  /// The versions that have lists of plugins and CHECK.
  public static let versions: [SpecVersion] = [.v0_4_0, .v1_0_0, .v1_1_0]

  /// The list, ready to be written to a file.
  ///
  /// A bridge is named after the network's `id`.
  ///
  /// - Returns: a JSON object.
  /// - Throws: code 7 with the options that contradict each other.
  public func list(id: String) throws(CNIError) -> JSONValue {
    .object([
      "cniVersion": .string(version.rawValue), "name": .string(name.description),
      "plugins": .array([try plugin(id: id)] + chained),
    ])
  }

  /// The chained plugins: `portmap`, and `firewall` for hosts that forward only admitted packets.
  private var chained: [JSONValue] {
    guard driver.forwardsThroughHost, !isInternal, !isBetweenContainers else { return [] }
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

  /// Whether a `ptp` link connects two containers, so that packets do not pass through the host.
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
        "internal: in a network of driver \(driver.rawValue) all packets of containers go through the host: want driver bridge"
      )
    }
  }

  /// - Throws: code 7 for an option that the plugin does not know, and for one that is given under two names.
  func byKey(_ options: [String: JSONValue]) throws(CNIError) -> [String: JSONValue] {
    let keys = KeyTables.plugin(driver.plugin) ?? []
    var members: [String: JSONValue] = [:]
    for (option, value) in options.sorted(by: { $0.key < $1.key }) {
      let key = driver.key(forOption: option)
      if let complaint = KeyCheck.complaints([key: value], keys: keys, at: "").first {
        throw CNIError(.invalidNetworkConfig, "option \(option): \(complaint)")
      }
      guard key != "ipam", key != "type" else {
        throw CNIError(.invalidNetworkConfig, "option \(option): cannot be an option: write the file by hand")
      }
      guard members.updateValue(value, forKey: key) == nil else {
        throw CNIError(
          .invalidNetworkConfig, "option \(option): sets key \(key), as another option does: want only one of them")
      }
    }
    if driver == .vlan, members["master"] == nil {
      throw CNIError(.invalidNetworkConfig, "option parent is missing: want the link that carries the VLAN")
    }
    return members
  }

  func checked(_ mtu: Int) throws(CNIError) -> Int {
    let minimum = ipv6 || subnets.contains { $0.family == .v6 } ? 1280 : KeyRange.mtu.lowerBound
    guard (minimum...KeyRange.mtu.upperBound).contains(mtu) else {
      throw CNIError(.invalidNetworkConfig, "mtu \(mtu): want \(minimum) to \(KeyRange.mtu.upperBound)")
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

  /// One range set: a container gets one address of each set.
  func rangeSet(_ subnet: IPPrefix) throws(CNIError) -> JSONValue {
    var members: [String: JSONValue] = ["subnet": .string(subnet.network.description)]
    members["gateway"] = gateways.first(where: subnet.contains).map { .string($0.description) }
    let parts = ranges.filter { subnet.contains($0.first) }
    guard parts.count <= 1 else {
      throw CNIError(.invalidNetworkConfig, "ip ranges \(parts) of subnet \(subnet): want at most one")
    }
    if let part = parts.first {
      // The subnet's first address and, in IPv4, its broadcast address are not handed out.
      let first = part.first == subnet.first ? part.first.advanced(by: 1) ?? part.first : part.first
      let last = subnet.family == .v4 && part.last == subnet.last ? part.last.predecessor ?? part.last : part.last
      members["rangeStart"] = .string(first.description)
      members["rangeEnd"] = .string(last.description)
    }
    return .array([.object(members)])
  }
}

/// The options of an overlay network that are not keys of the plugin.
struct OverlayOptions: Equatable {
  /// The plugin's key `controlPlane`.
  var controlPlane: JSONValue
  /// Whether each host has its own subnet (mode `l3`).
  var isRouted: Bool

  var isEtcd: Bool { controlPlane["type"] == "etcd" }

  /// Removes its options from `options`.
  ///
  /// - Throws: code 7 for options that are missing or contradict each other, code 2 for a store other than etcd.
  init(takingFrom options: inout [String: JSONValue]) throws(CNIError) {
    controlPlane = try Self.controlPlane(takingFrom: &options)
    let type = controlPlane["type"]?.string ?? ""
    isRouted = options["mode"].map { $0 == "l3" } ?? ["static", "etcd"].contains(type)
    if options["vni"] == nil, type != "etcd" {
      throw CNIError(.invalidNetworkConfig, "option vni is missing: want 1 to 16777215, the same on every host")
    }
    if type == "multicast", options["parent"] ?? options["dev"] == nil {
      throw CNIError(.invalidNetworkConfig, "option parent is missing: want the link that leads to the group")
    }
  }

  /// The options that set the control plane.
  private static let optionNames = "cluster-store, peers, peersFile, group, controlPlane"

  private static func controlPlane(takingFrom options: inout [String: JSONValue]) throws(CNIError) -> JSONValue {
    var planes: [JSONValue] = []
    if let whole = options.removeValue(forKey: "controlPlane") {
      planes.append(whole == "evpn" ? .object(["type": whole]) : whole)
    }
    if let store = options.removeValue(forKey: "cluster-store") {
      planes.append(try clusterStore(store.string ?? store.text, takingFrom: &options))
    }
    var staticPlane: [String: JSONValue] = [:]
    if let peers = options.removeValue(forKey: "peers") {
      staticPlane["peers"] =
        peers.string.map { text in .array(text.split(separator: ",").map { peer(String($0)) }) } ?? peers
    }
    staticPlane["peersFile"] = options.removeValue(forKey: "peersFile")
    if !staticPlane.isEmpty { planes.append(.object(staticPlane.merging(["type": "static"]) { own, _ in own })) }
    if let group = options.removeValue(forKey: "group") {
      planes.append(.object(["type": "multicast", "group": group]))
    }
    guard let first = planes.first, planes.count == 1 else {
      let problem = planes.isEmpty ? "no control plane is given" : "more than one is given"
      throw CNIError(
        .invalidNetworkConfig, "options \(optionNames): \(problem): want one of them, or peers and peersFile together")
    }
    return first
  }

  /// `ADDRESS`, or `ADDRESS=SUBNET` with the subnet of that host's containers.
  private static func peer(_ text: String) -> JSONValue {
    let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
    return .record(["vtep": .text(parts.first ?? ""), "subnet": .text(parts.count > 1 ? parts[1] : nil)])
  }

  /// `etcd://HOST:PORT,HOST:PORT/PREFIX`, the form of Docker's option `cluster-store`.
  private static func clusterStore(
    _ text: String, takingFrom options: inout [String: JSONValue]
  ) throws(CNIError) -> JSONValue {
    guard let colon = text.firstRange(of: "://"), colon.lowerBound > text.startIndex else {
      throw CNIError(.invalidNetworkConfig, "option cluster-store: \"\(text)\": want etcd://HOST:PORT")
    }
    guard text[..<colon.lowerBound] == "etcd" else {
      throw CNIError(
        .unsupportedField, "option cluster-store: \"\(text)\": only etcd is supported: want etcd://HOST:PORT")
    }
    var members: [String: JSONValue] = ["type": "etcd"]
    for key in ["caFile", "certFile", "keyFile", "username", "password", "passwordFile", "subnetLen", "leaseTTL"] {
      members[key] = options.removeValue(forKey: key)
    }
    let scheme = ["caFile", "certFile"].contains { members[$0] != nil } ? "https" : "http"
    let rest = text[colon.upperBound...]
    let hosts = rest.prefix { $0 != "/" }.split(separator: ",")
    guard !hosts.isEmpty else {
      throw CNIError(.invalidNetworkConfig, "option cluster-store: \"\(text)\": no host: want etcd://HOST:PORT")
    }
    members["endpoints"] = .array(hosts.map { .string("\(scheme)://\(hasPort($0) ? String($0) : "\($0):2379")") })
    let prefix = rest.drop { $0 != "/" }
    if prefix.count > 1 { members["prefix"] = .string(String(prefix)) }
    return .object(members)
  }

  /// Whether the text ends with a port; an IPv6 address is in brackets.
  private static func hasPort(_ host: Substring) -> Bool {
    (host.lastIndex(of: "]").map { host[$0...] } ?? host).contains(":")
  }
}

extension NetworkRequest {
  /// The configuration of the plugin `overlay-vxlan`.
  ///
  /// `subnets` are those of the whole network, the same on every host; `ranges` are this host's part of them.
  func overlay() throws(CNIError) -> JSONValue {
    var options = options
    let overlayOptions = try OverlayOptions(takingFrom: &options)
    try checkFit(overlayOptions)
    var members: [String: JSONValue] = [
      "type": .string(driver.plugin), "capabilities": capabilities, "controlPlane": overlayOptions.controlPlane,
      "ipam": try overlayOptions.isRouted ? routedIPAM() : sharedIPAM(overlayOptions),
    ]
    if overlayOptions.isRouted || overlayOptions.isEtcd, !subnets.isEmpty {
      members["network"] = .array(subnets.map { .string($0.network.description) })
    }
    if let mtu { members["mtu"] = .integer(Int64(try checked(mtu))) }
    members[isInternal ? "isGateway" : "ipMasq"] = .bool(!isInternal)
    let complaints = KeyCheck.complaints(
      ["controlPlane": overlayOptions.controlPlane], keys: KeyTables.plugin(driver.plugin) ?? [], at: "")
    if let complaint = complaints.first { throw CNIError(.invalidNetworkConfig, complaint) }
    return .object(members.merging(try byKey(options)) { _, chosen in chosen })
  }

  private func checkFit(_ overlayOptions: OverlayOptions) throws(CNIError) {
    if ipv6 {
      throw refusal("ipv6", "the IPv6 subnet must be the same on every host, so none is chosen: want --subnet")
    }
    if isInternal, overlayOptions.isRouted {
      throw refusal("internal", "in mode l3 containers reach each other through their hosts: want -o mode=l2")
    }
    if overlayOptions.isRouted, !gateways.isEmpty {
      throw refusal("gateway", "in mode l3 each host has its own: want none")
    }
    if subnets.isEmpty, !(overlayOptions.isRouted && overlayOptions.isEtcd) {
      throw refusal("subnet", "missing: want the whole network's, the same on every host")
    }
    if !overlayOptions.isRouted, !overlayOptions.isEtcd, ranges.isEmpty {
      throw refusal("ip range", "missing: want this host's part of \(subnets), another on each host, or etcd")
    }
  }

  private func refusal(_ what: String, _ reason: String) -> CNIError {
    CNIError(.invalidNetworkConfig, "\(what): \(reason)")
  }

  /// IPAM for mode `l3`: this host's part of the network, or the subnets from the control plane.
  private func routedIPAM() throws(CNIError) -> JSONValue {
    try checkRanges()
    guard !ranges.isEmpty else { return .object(["type": "ipam-host-local"]) }
    let sets = ranges.map { JSONValue.array([.object(["subnet": .string($0.network.description)])]) }
    return .object(["type": "ipam-host-local", "ranges": .array(sets)])
  }

  /// IPAM for mode `l2`: one subnet for all hosts.
  private func sharedIPAM(_ overlayOptions: OverlayOptions) throws(CNIError) -> JSONValue {
    try checkRanges()
    return .object([
      "type": overlayOptions.isEtcd ? "ipam-etcd" : "ipam-host-local",
      "ranges": .array(try subnets.map { subnet throws(CNIError) in try rangeSet(subnet) }),
    ])
  }
}
