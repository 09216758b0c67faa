public import CNI
public import Kernel
public import NetTypes
public import PacketFilter

/// The key `policy`: what a network's containers may connect to, and what may connect to them.
public struct PolicyConfig: JSONReadable, Equatable, Sendable {
  /// `nil`: everything.
  public var ingress: [Policy.Permission]?
  /// `nil`: everything.
  public var egress: [Policy.Permission]?
  public var logGroup: UInt16?

  public init(ingress: [Policy.Permission]?, egress: [Policy.Permission]?, logGroup: UInt16? = nil) {
    self.ingress = ingress
    self.egress = egress
    self.logGroup = logGroup
  }

  /// - Throws: code 7, also for a key that it does not know: a permission without its condition would allow too much.
  public init(_ json: JSONReader) throws(CNIError) {
    try json.refuseKeys(except: ["default", "ingress", "egress", "log", "logGroup"])
    let ingress = try json.permissions("ingress", of: "from"), egress = try json.permissions("egress", of: "to")
    if try Self.isOpen(json["default"]) {
      guard ingress == nil, egress == nil else {
        throw CNIError(
          .invalidNetworkConfig,
          "key \"\(json.path).default\": \"allow\": \"ingress\" and \"egress\" allow connections, so they need \"deny\""
        )
      }
    } else {
      self.ingress = ingress ?? []
      self.egress = egress ?? []
    }
    logGroup = try Self.logGroup(json)
  }

  private static func isOpen(_ json: JSONReader?) throws(CNIError) -> Bool {
    switch try json?.text() {
    case nil, "deny": return false
    case "allow": return true
    default: throw json?.refusal("deny or allow") ?? CNIError(.invalidNetworkConfig, "want deny or allow")
    }
  }

  private static func logGroup(_ json: JSONReader) throws(CNIError) -> UInt16? {
    let number = try json.integer("logGroup")
    guard try json.flag("log") ?? false else {
      if let given = json["logGroup"] { throw given.refusal("the key log too, or none") }
      return nil
    }
    guard let group = UInt16(exactly: number ?? 0) else {
      throw json["logGroup"]?.refusal("0 to 65535") ?? json.refusal("a group")
    }
    return group
  }

  /// The networks that it names.
  var networks: Set<NetworkName> { Policy(of: [], on: [], ingress: ingress, egress: egress).networks }

  /// Whether the policy is for connections between the network's own containers too: only if it opens any, with an entry
  /// for the network or for labels in both lists.
  public func isForOwn(_ network: NetworkName) -> Bool {
    [ingress, egress].allSatisfy { list in
      list?.contains { permission in
        switch permission.peer {
        case .network(let name): name == network
        case .label: true
        case .anyone, .prefix: false
        }
      } ?? false
    }
  }

  /// `separated`: whether containers of the network reach each other through the host only.
  ///
  /// - Throws: code 7 if it names the container's own network in vain.
  public func check(in network: NetworkName, separated: Bool = false) throws(CNIError) {
    guard networks.contains(network) else { return }
    let own = "key \"policy\": network \"\(network)\" is the container's own: "
    guard separated else {
      throw CNIError(
        .invalidNetworkConfig,
        own + "connections in a network do not pass the host; want another network, or \"bridge\" with the key and "
          + "\"isolation\": \"container\"")
    }
    guard isForOwn(network) else {
      throw CNIError(
        .invalidNetworkConfig,
        own + "both lists are its containers': want it, or a label, in \"ingress\" and in \"egress\"")
    }
  }

  /// - Parameters:
  ///   - isGateway: whether the host is the containers' router.
  ///   - ipam: what hands out addresses.
  ///   - checksSources: whether packets of a container come from its own addresses only.
  /// - Throws: code 7 if the host would not see the connections, or cannot know the container's addresses.
  public func check(isGateway: Bool, ipam: PluginType?, checksSources: Bool) throws(CNIError) {
    guard isGateway else { throw Self.refusal("connections go through the host", "\"isGateway\": true with it") }
    guard let ipam, !ipam.needsLink else {
      throw Self.refusal(
        "the rules match the container's address", "\"ipam\" that hands out an address before the link is up")
    }
    guard checksSources else {
      throw Self.refusal(
        "the rules match source addresses, which must be checked",
        "no macLearning, vlanTrunk or \"ipspoofchk\": false")
    }
  }

  public static func refusal(_ reason: String, _ wanted: String) -> CNIError {
    CNIError(.invalidNetworkConfig, "key \"policy\": \(reason): want \(wanted)")
  }

  /// The changes that add the policy and the labels of a container with these addresses behind these links.
  ///
  /// The bridge ports `ports` then accept packets from these addresses only. `owned`: the links are this container's alone.
  /// `separated`: containers of the network reach each other through the host only. `span`: the network's part on other hosts,
  /// if it is routed between hosts.
  public func changes(
    _ owner: AttachmentID, _ addresses: [IPAddress], on links: [InterfaceName], owned: Bool = false,
    separated: Bool = false, _ labels: [Label], guarding ports: [InterfaceName] = [], span: FarNetwork? = nil
  ) -> [Change] {
    guard !addresses.isEmpty else { return [] }
    var rules: [Rule] = []
    if ingress != nil || egress != nil {
      var policy = Policy(of: addresses, on: links, ingress: ingress, egress: egress, logGroup: logGroup)
      policy.ownsLinks = owned
      policy.reach(span)
      if separated, isForOwn(owner.network) { policy.ownNetwork = owner.network }
      rules.append(.limit(policy))
    }
    if !labels.isEmpty { rules.append(.join(Membership(of: addresses, on: links, labels))) }
    rules += ports.map { .guardAddresses(AddressGuard($0, addresses)) }
    guard !rules.isEmpty else { return [] }
    // Packets that came before the policy may wait until the container answers ARP or NDP.
    let waiting = ingress == nil ? [] : links.flatMap { link in addresses.map { Change.forgetNeighbour($0, on: link) } }
    return [.addRules(RuleSet(owner, .policies, rules, backend: .nftables))] + waiting
  }

  /// The change that limits who connects through this host to the network's containers on other hosts.
  public func change(for network: NetworkName, on links: [InterfaceName], span: FarNetwork) -> Change {
    guard ingress != nil else { return Self.removal(for: network) }
    var policy = Policy(of: [], on: links, ingress: ingress, egress: nil, logGroup: logGroup)
    policy.reach(span)
    return .setRules(RuleSet(.tunnel(of: network), .policies, [.limit(policy)], backend: .nftables))
  }

  /// The change that removes what `change(for:)` adds.
  public static func removal(for network: NetworkName) -> Change {
    .removeRules(.tunnel(of: network), .policies, everywhere: false)
  }
}

extension Policy {
  fileprivate mutating func reach(_ span: FarNetwork?) { (tunnel, network) = (span?.link, span?.prefixes ?? []) }
}

extension JSONReader {
  fileprivate func permissions(_ key: String, of peerKey: String) throws(CNIError) -> [Policy.Permission]? {
    try list(key) { (item) throws(CNIError) in
      guard item.value.object != nil else { throw item.refusal("an object") }
      try item.refuseKeys(except: [peerKey, "ports"])
      var permission = Policy.Permission(.anyone)
      if let peer = item[peerKey] {
        try peer.refuseKeys(except: ["network", "label", "cidr"])
        guard let named = try Policy.Peer(peer) else { throw peer.refusal("network, label or cidr") }
        permission.peer = named
      }
      if let ports: [PortSpan] = try item.parsedList("ports") {
        guard !ports.isEmpty else { throw item.refusal("one port or more, or no key ports for all") }
        permission.ports = ports
      }
      return permission
    }
  }

  /// - Throws: code 7 if the object has another key.
  fileprivate func refuseKeys(except known: [String]) throws(CNIError) {
    let names = Set(known.map { $0.lowercased() })
    guard let object = value.object else { throw refusal("an object") }
    for key in object.keys.sorted() where !names.contains(key.lowercased()) {
      throw CNIError(
        .invalidNetworkConfig, "key \"\(path).\(key)\": unknown: want one of \(known.joined(separator: ", "))")
    }
  }
}
