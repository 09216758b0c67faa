public import CNI
public import NetTypes

/// Which connections a container takes and opens through this host.
///
/// Replies and ICMP errors of an allowed connection pass. What containers of one network send each other on a bridge does
/// not pass the host, and is not limited, unless the bridge keeps them apart; nor is what the host itself sends.
public struct Policy: Equatable, Sendable {
  /// The host's links of the container's network, on which its packets arrive.
  public var links: [InterfaceName]
  /// Whether no other container's packets arrive on these links, so that all that do are the container's.
  public var ownsLinks = false
  /// Whether the links are the container's own and the rules are in its namespace; then `addresses` is empty.
  public var isInContainer = false
  /// Whether a DHCP client's own packets pass; only in the container.
  public var usesDHCP = false
  /// The container's network, if its containers reach each other through this host only; then the policy is for them too.
  public var ownNetwork: NetworkName?
  /// The link to the network's containers on other hosts, in a network that is routed between hosts.
  public var tunnel: InterfaceName?
  /// With a tunnel, the network's prefixes on all hosts: by it packets of other networks arrive too.
  public var network: [IPPrefix] = []
  /// Empty, with a tunnel: the policy is for connections to the network's containers on other hosts.
  public var addresses: [IPAddress]
  /// What may connect to the container; `nil`: everything.
  public var ingress: [Permission]?
  /// Where the container may connect to; `nil`: everywhere.
  public var egress: [Permission]?
  /// The NFLOG group that gets the packets that are denied.
  public var logGroup: UInt16?

  public init(
    of addresses: [IPAddress], on links: [InterfaceName], ingress: [Permission]?, egress: [Permission]?,
    logGroup: UInt16? = nil
  ) {
    self.links = links
    self.addresses = addresses
    self.ingress = ingress
    self.egress = egress
    self.logGroup = logGroup
  }

  /// Allows the connections of one peer.
  public struct Permission: Equatable, Sendable {
    public var peer: Peer
    /// Empty: all ports, and protocols without ports.
    public var ports: [PortSpan]

    public init(_ peer: Peer, _ ports: [PortSpan] = []) {
      self.peer = peer
      self.ports = ports
    }
  }

  public enum Peer: Hashable, Sendable {
    case anyone
    /// Everything on the links of that network.
    case network(NetworkName)
    case label(Label)
    case prefix(IPPrefix)
  }

  /// The container's addresses, or its interface if they need not be known.
  var subject: String {
    let words = isInContainer ? links.map { $0.description } : addresses.map { $0.description }
    return words.joined(separator: ", ")
  }

  /// The other networks that it names.
  public var networks: Set<NetworkName> {
    var networks: Set<NetworkName> = []
    for permission in (ingress ?? []) + (egress ?? []) {
      if case .network(let name) = permission.peer, name != ownNetwork { networks.insert(name) }
    }
    return networks
  }

  /// The families of the connections that it limits.
  public var families: [IPFamily] {
    if isInContainer { return IPFamily.allCases }
    let families = addresses.isEmpty ? network.map { $0.family } : addresses.map { $0.family }
    return IPFamily.allCases.filter(families.contains)
  }

  /// The labels that it names.
  public var labels: Set<Label> {
    var labels: Set<Label> = []
    for permission in (ingress ?? []) + (egress ?? []) {
      if case .label(let label) = permission.peer { labels.insert(label) }
    }
    return labels
  }
}

/// How many packets a policy has denied; `nil` in a direction that it does not limit.
public struct DeniedPackets: Equatable, Sendable {
  public var ingress: UInt64?
  public var egress: UInt64?

  public init() {}
}

extension RuleSet {
  /// The peers that its policies name and whose sets others fill.
  public var namedPeers: Set<Policy.Peer> {
    var peers: Set<Policy.Peer> = []
    for case .limit(let policy) in rules {
      peers.formUnion(policy.networks.map { .network($0) })
      peers.formUnion(policy.labels.map { .label($0) })
    }
    return peers
  }

  /// The networks that its policies name.
  public var namedNetworks: Set<NetworkName> {
    var networks: Set<NetworkName> = []
    for case .limit(let policy) in rules { networks.formUnion(policy.networks) }
    return networks
  }
}

/// Makes a container a peer of other containers' policies.
public struct Membership: Equatable, Sendable {
  public var links: [InterfaceName]
  public var addresses: [IPAddress]
  public var labels: [Label]

  public init(of addresses: [IPAddress], on links: [InterfaceName], _ labels: [Label]) {
    self.links = links
    self.addresses = addresses
    self.labels = labels
  }
}

extension Policy: JSONReadable {
  var json: JSONValue {
    .record([
      "links": .texts(links), "addresses": .texts(addresses), "ingress": ingress.map { .array($0.map { $0.json }) },
      "egress": egress.map { .array($0.map { $0.json }) }, "logGroup": .number(logGroup), "owns": .flag(ownsLinks),
      "inContainer": .flag(isInContainer), "dhcp": .flag(usesDHCP),
      "tunnel": .text(tunnel), "network": .nonEmptyTexts(network),
      "own": .text(ownNetwork),
    ])
  }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(
      of: try json.parsedList("addresses") ?? [], on: try json.parsedList("links") ?? [],
      ingress: try json.objects("ingress"), egress: try json.objects("egress"),
      logGroup: try json.integer("logGroup").map { UInt16(truncatingIfNeeded: $0) })
    ownsLinks = try json.flag("owns") ?? false
    isInContainer = try json.flag("inContainer") ?? false
    usesDHCP = try json.flag("dhcp") ?? false
    (tunnel, network) = (try json.parsed("tunnel"), try json.parsedList("network") ?? [])
    ownNetwork = try json.parsed("own")
  }
}

extension Policy.Permission: JSONReadable {
  var json: JSONValue {
    var network: NetworkName?, label: Label?, prefix: IPPrefix?
    switch peer {
    case .anyone: break
    case .network(let name): network = name
    case .label(let one): label = one
    case .prefix(let one): prefix = one
    }
    return .record([
      "network": .text(network), "label": .text(label), "cidr": .text(prefix), "ports": .nonEmptyTexts(ports),
    ])
  }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(try Policy.Peer(json) ?? .anyone, try json.parsedList("ports") ?? [])
  }
}

extension Policy.Peer {
  /// `{"network": NAME}`, `{"label": "KEY=VALUE"}` or `{"cidr": PREFIX}`; `nil` without any of them.
  ///
  /// - Throws: code 7 if there is more than one.
  public init?(_ json: JSONReader) throws(CNIError) {
    var peers: [Policy.Peer] = []
    if let name: NetworkName = try json.parsed("network") { peers.append(.network(name)) }
    if let label: Label = try json.parsed("label") { peers.append(.label(label)) }
    if let prefix: IPPrefix = try json.parsed("cidr") { peers.append(.prefix(prefix)) }
    guard peers.count <= 1 else { throw json.refusal("one of network, label and cidr") }
    guard let peer = peers.first else { return nil }
    self = peer
  }
}

extension Membership: JSONReadable {
  var json: JSONValue {
    .record(["links": .texts(links), "addresses": .texts(addresses), "labels": .texts(labels)])
  }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(
      of: try json.parsedList("addresses") ?? [], on: try json.parsedList("links") ?? [],
      try json.parsedList("labels") ?? [])
  }
}

extension Policy.Peer: CustomStringConvertible {
  public var description: String {
    switch self {
    case .anyone: "anyone"
    case .network(let network): "network \(network)"
    case .label(let label): "label \(label)"
    case .prefix(let prefix): "\(prefix)"
    }
  }
}
