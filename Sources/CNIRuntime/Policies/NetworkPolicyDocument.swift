import CNI
import NetTypes
import PacketFilter

/// Reads one document of kind NetworkPolicy; refuses what a policy of a network cannot express.
enum NetworkPolicyDocument {
  private static let version = "networking.k8s.io/v1"
  /// The label by which Kubernetes selects a namespace by its name.
  private static let nameLabel = "kubernetes.io/metadata.name"

  /// The document itself, or the items of a list.
  static func items(_ json: JSONReader) throws(CNIError) -> [JSONReader] {
    guard json.value.object != nil else {
      throw CNIError(.invalidNetworkConfig, "\(json.value.text): want an object of kind NetworkPolicy")
    }
    guard ["List", "NetworkPolicyList"].contains(try json.text("kind")) else { return [json] }
    try json.allowKeys(["apiVersion", "kind", "metadata", "items"])
    return try json["items"]?.elements() ?? []
  }

  static func policies(_ json: JSONReader, defaultNetwork: NetworkName?) throws(CNIError) -> NetworkPolicies {
    try json.allowKeys(["apiVersion", "kind", "metadata", "spec"])
    let kind = try json.required("kind"), apiVersion = try json.required("apiVersion")
    guard try kind.text() == "NetworkPolicy" else { throw kind.refusal("NetworkPolicy, or List") }
    guard try apiVersion.text() == version else { throw apiVersion.refusal(version) }
    let network = try network(json, defaultNetwork)
    let spec = try json.required("spec")
    try spec.allowKeys(["podSelector", "policyTypes", "ingress", "egress"])
    let selector = try spec.required("podSelector")
    guard selector.value == .object([:]) else {
      throw selector.refusal("{}: the policy is that of all containers of network \(network)")
    }
    let types = try types(spec)
    return NetworkPolicies(
      network: network, ingress: try direction("ingress", of: "from", spec, types, network),
      egress: try direction("egress", of: "to", spec, types, network))
  }

  private static func network(_ json: JSONReader, _ given: NetworkName?) throws(CNIError) -> NetworkName {
    guard let namespace = json["metadata"]?["namespace"] else {
      if let given { return given }
      throw CNIError(
        .invalidNetworkConfig,
        "key \"\(json.path(of: "metadata.namespace"))\": missing: want the network's name, or --network NAME")
    }
    let name: NetworkName = try namespace.parsed()
    guard given == nil || given == name else { throw namespace.refusal("none, or that of --network \(given ?? name)") }
    return name
  }

  /// Without the key as in Kubernetes: Ingress always, Egress if there are entries for it.
  private static func types(_ spec: JSONReader) throws(CNIError) -> Set<String> {
    guard let given = spec["policyTypes"] else {
      return try spec["egress"]?.elements().isEmpty == false ? ["Ingress", "Egress"] : ["Ingress"]
    }
    var types: Set<String> = []
    for element in try given.elements() {
      guard ["Ingress", "Egress"].contains(try element.text()) else { throw element.refusal("Ingress or Egress") }
      types.insert(try element.text())
    }
    guard !types.isEmpty else { throw given.refusal("Ingress, Egress or both") }
    return types
  }

  private static func direction(
    _ key: String, of peerKey: String, _ spec: JSONReader, _ types: Set<String>, _ network: NetworkName
  ) throws(CNIError) -> NetworkPolicies.Direction? {
    let type = key == "ingress" ? "Ingress" : "Egress"
    let entries = try spec[key]?.elements() ?? []
    guard types.contains(type) else {
      guard let entry = entries.first else { return nil }
      throw entry.refusal("no entry, or \(type) in spec.policyTypes")
    }
    var direction = NetworkPolicies.Direction()
    for entry in entries {
      try entry.allowKeys([peerKey, "ports"])
      let ports = try entry["ports"]?.elements() ?? []
      var spans: [PortSpan] = []
      for port in ports { spans.append(try span(port)) }
      let peers = try entry[peerKey]?.elements() ?? []
      var one = NetworkPolicies.Direction()
      if peers.isEmpty { one.permissions = [Policy.Permission(.anyone, spans)] }
      for json in peers {
        let named = try Self.peers(json, network)
        one.permissions += named.map { Policy.Permission($0, spans) }
        one.namesOwnNetwork = one.namesOwnNetwork || named.isEmpty
      }
      one.allowsOwnNetwork = spans.isEmpty && (peers.isEmpty || one.namesOwnNetwork)
      direction.add(one)
    }
    return direction
  }

  private static func span(_ json: JSONReader) throws(CNIError) -> PortSpan {
    try json.allowKeys(["protocol", "port", "endPort"])
    let transport: TransportProtocol =
      try json["protocol"].map { (json) throws(CNIError) in
        guard
          let transport = TransportProtocol.allCases.first(where: { json.value == .string($0.rawValue.uppercased()) })
        else { throw json.refusal("TCP, UDP or SCTP") }
        return transport
      } ?? .tcp
    guard let port = json["port"] else {
      if let end = json["endPort"] { throw end.refusal("\"port\" with it") }
      return PortSpan(1...UInt16.max, transport)
    }
    guard case .integer = port.value else { throw port.refusal("a number: the containers' port names are not known") }
    let first = try port.portNumber(), last = try json["endPort"]?.portNumber() ?? first
    guard first <= last else { throw json["endPort"]?.refusal("\(first) or more") ?? port.refusal("a port") }
    return PortSpan(first...last, transport)
  }
}

extension NetworkPolicyDocument {
  /// The peers of one element of `from` or `to`; none for the network's own containers.
  private static func peers(_ json: JSONReader, _ network: NetworkName) throws(CNIError) -> [Policy.Peer] {
    let wanted = "one of ipBlock, podSelector and namespaceSelector"
    try json.allowKeys(["ipBlock", "podSelector", "namespaceSelector"])
    guard json.value.object?.values.count(where: { $0 != .null }) == 1 else { throw json.refusal(wanted) }
    if let block = json["ipBlock"] { return try prefixes(block).map(Policy.Peer.prefix) }
    if let selector = json["podSelector"] {
      if selector.value == .object([:]) { return [] }
      let (key, value) = try label(selector)
      guard let label = Label("\(key)=\(value)") else { throw selector.refusal(Label.expectedForm) }
      return [.label(label)]
    }
    guard let selector = json["namespaceSelector"] else { throw json.refusal(wanted) }
    let (key, name) = try label(selector)
    guard key == nameLabel, let other = NetworkName(name) else {
      throw selector.refusal("matchLabels with \(nameLabel) and a network's name")
    }
    return other == network ? [] : [.network(other)]
  }

  private static func label(_ selector: JSONReader) throws(CNIError) -> (String, String) {
    try selector.allowKeys(["matchLabels"])
    guard let labels = selector["matchLabels"], let members = labels.value.object, members.count == 1,
      let member = members.first
    else { throw (selector["matchLabels"] ?? selector).refusal("matchLabels with one label") }
    guard let value = member.value.string else { throw labels.refusal("a string as the label's value") }
    return (member.key, value)
  }

  private static func prefixes(_ block: JSONReader) throws(CNIError) -> [IPPrefix] {
    try block.allowKeys(["cidr", "except"])
    let cidr = try block.required("cidr")
    let whole: IPPrefix = try cidr.parsed()
    var prefixes = [whole.network]
    for element in try block["except"]?.elements() ?? [] {
      let exception: IPPrefix = try element.parsed()
      guard exception.length > whole.length, whole.contains(exception.first) else {
        throw element.refusal("a part of \(whole)")
      }
      prefixes = prefixes.flatMap { $0.subtracting(exception.network) }
    }
    guard !prefixes.isEmpty else { throw block.refusal("addresses that are not excepted") }
    return prefixes
  }
}

extension IPPrefix {
  /// The prefixes of the addresses that are not in `other`, in order.
  func subtracting(_ other: IPPrefix) -> [IPPrefix] {
    guard overlaps(other) else { return [self] }
    guard length < other.length, let low = IPPrefix(first, length: length + 1),
      let high = IPPrefix(last, length: length + 1)?.network
    else { return [] }
    return low.subtracting(other) + high.subtracting(other)
  }
}

extension JSONReader {
  func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  /// - Throws: code 7 for the first other key, with its value.
  fileprivate func allowKeys(_ known: [String]) throws(CNIError) {
    guard let members = value.object else { throw refusal("an object") }
    for (key, value) in members.sorted(by: { $0.key < $1.key }) where !known.contains(key) {
      throw JSONReader(value, path: path(of: key)).refusal("no key but \(known.joined(separator: ", "))")
    }
  }
}
