import CNI
import NetTypes

/// What of a network that spans hosts is asked for in words of its own.
struct OverlayWish: Equatable {
  /// The plugin's key `controlPlane`.
  var controlPlane: JSONValue
  /// Whether hosts have a subnet each, rather than one in common.
  var isRouted: Bool

  var isEtcd: Bool { controlPlane["type"] == "etcd" }

  /// Takes its options out of all that are given.
  ///
  /// - Throws: code 7 for what is missing or does not go together, code 2 for another store than etcd.
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

  /// The words for each way to know the other hosts.
  private static let words = "cluster-store, peers, peersFile, group, controlPlane"

  private static func controlPlane(takingFrom options: inout [String: JSONValue]) throws(CNIError) -> JSONValue {
    var found: [JSONValue] = []
    if let whole = options.removeValue(forKey: "controlPlane") {
      found.append(whole == "evpn" ? .object(["type": whole]) : whole)
    }
    if let store = options.removeValue(forKey: "cluster-store") {
      found.append(try clusterStore(store.string ?? store.text, takingFrom: &options))
    }
    var known: [String: JSONValue] = [:]
    if let peers = options.removeValue(forKey: "peers") {
      known["peers"] = peers.string.map { text in .array(text.split(separator: ",").map { peer(String($0)) }) } ?? peers
    }
    known["peersFile"] = options.removeValue(forKey: "peersFile")
    if !known.isEmpty { found.append(.object(known.merging(["type": "static"]) { own, _ in own })) }
    if let group = options.removeValue(forKey: "group") {
      found.append(.object(["type": "multicast", "group": group]))
    }
    guard let first = found.first, found.count == 1 else {
      let problem = found.isEmpty ? "nothing says who knows the network's other hosts" : "more than one is given"
      throw CNIError(
        .invalidNetworkConfig, "options \(words): \(problem): want one of them, peers and peersFile together")
    }
    return first
  }

  /// `ADDRESS`, or `ADDRESS=SUBNET` with the subnet of that host's containers.
  private static func peer(_ text: String) -> JSONValue {
    let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
    var members: [String: JSONValue] = ["vtep": .string(parts.first ?? "")]
    if parts.count > 1 { members["subnet"] = .string(parts[1]) }
    return .object(members)
  }

  /// `etcd://HOST:PORT,HOST:PORT/PREFIX`, as Docker's daemons were told of theirs.
  private static func clusterStore(
    _ text: String, takingFrom options: inout [String: JSONValue]
  ) throws(CNIError) -> JSONValue {
    guard let colon = text.firstRange(of: "://"), colon.lowerBound > text.startIndex else {
      throw CNIError(.invalidNetworkConfig, "option cluster-store: \"\(text)\": want etcd://HOST:PORT")
    }
    guard text[..<colon.lowerBound] == "etcd" else {
      throw CNIError(.unsupportedField, "option cluster-store: \"\(text)\": only etcd is spoken: want etcd://HOST:PORT")
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

  /// Whether a port stands behind the host; an IPv6 address stands in brackets.
  private static func hasPort(_ host: Substring) -> Bool {
    (host.lastIndex(of: "]").map { host[$0...] } ?? host).contains(":")
  }
}

extension NetworkRequest {
  /// The plugin of a network that spans hosts.
  ///
  /// `subnets` are the whole network's, the same on every host; `ranges` are this host's part of them.
  func overlay() throws(CNIError) -> JSONValue {
    var options = options
    let wish = try OverlayWish(takingFrom: &options)
    try checkFit(wish)
    var members: [String: JSONValue] = [
      "type": .string(driver.plugin), "capabilities": capabilities, "controlPlane": wish.controlPlane,
      "ipam": try wish.isRouted ? routedIPAM() : sharedIPAM(wish),
    ]
    if wish.isRouted || wish.isEtcd, !subnets.isEmpty {
      members["network"] = .array(subnets.map { .string($0.network.description) })
    }
    if let mtu { members["mtu"] = .integer(Int64(try checked(mtu))) }
    members[isInternal ? "isGateway" : "ipMasq"] = .bool(!isInternal)
    let complaints = KeyCheck.complaints(
      ["controlPlane": wish.controlPlane], known: KeyTables.plugin(driver.plugin) ?? [], at: "")
    if let complaint = complaints.first { throw CNIError(.invalidNetworkConfig, complaint) }
    return .object(members.merging(try byKey(options)) { _, chosen in chosen })
  }

  private func checkFit(_ wish: OverlayWish) throws(CNIError) {
    if ipv6 { throw refusal("ipv6", "an IPv6 subnet is not chosen, for it is the same on every host: want --subnet") }
    if isInternal, wish.isRouted {
      throw refusal("internal", "in mode l3 containers reach each other by their hosts: want -o mode=l2")
    }
    if wish.isRouted, !gateways.isEmpty { throw refusal("gateway", "in mode l3 each host has its own: want none") }
    if subnets.isEmpty, !(wish.isRouted && wish.isEtcd) {
      throw refusal("subnet", "missing: want the whole network's, the same on every host")
    }
    if !wish.isRouted, !wish.isEtcd, ranges.isEmpty {
      throw refusal("ip range", "missing: want this host's part of \(subnets), another on each host, or etcd")
    }
  }

  private func refusal(_ what: String, _ why: String) -> CNIError { CNIError(.invalidNetworkConfig, "\(what): \(why)") }

  /// This host's subnets: its part of the network, or what the control plane says.
  private func routedIPAM() throws(CNIError) -> JSONValue {
    try checkRanges()
    guard !ranges.isEmpty else { return .object(["type": "ipam-host-local"]) }
    let sets = ranges.map { JSONValue.array([.object(["subnet": .string($0.network.description)])]) }
    return .object(["type": "ipam-host-local", "ranges": .array(sets)])
  }

  /// One subnet for all hosts.
  private func sharedIPAM(_ wish: OverlayWish) throws(CNIError) -> JSONValue {
    try checkRanges()
    return .object([
      "type": wish.isEtcd ? "ipam-etcd" : "ipam-host-local",
      "ranges": .array(try subnets.map { subnet throws(CNIError) in try rangeSet(subnet) }),
    ])
  }
}
