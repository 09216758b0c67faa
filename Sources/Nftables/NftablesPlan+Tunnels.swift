import CNI
import NetTypes
import PacketFilter

extension NftablesPlan {
  // A range instead of a list: the kernel takes far longer if thousands of rules each have an anonymous set.
  private static let fromOurLinks = Statement.linkGroup(.incoming, Isolation.linkGroup...Isolation.pairGroup)

  /// Adds a chain for the port and one for each peer, shared by networks; an element of each network keeps them.
  ///
  /// A peer's chain is empty: it counts the networks whose packets the peer's entry element lets in. The entry element does
  /// not lead to it, because the kernel validates each chain that packets can reach again with each change of the table.
  mutating func guardTunnel(_ tunnel: TunnelGuard, _ owner: ElementOwner) {
    let port = Field.port(tunnel.port)
    let name = "\(Layout.tunnelPrefix)\(tunnel.port)"
    share(
      SharedChain(
        name: name, rules: Self.tunnelInputRules, entryElements: [jumpElement(Layout.tunnels, [port], name)]), owner)
    guard let peers = tunnel.peers else {
      let open = "\(Layout.tunnelPrefix)open_\(tunnel.port)"
      let entryElements = [jumpElement(Layout.openTunnels, [port], open)]
      return share(SharedChain(name: open, rules: [[.accept]], entryElements: entryElements), owner)
    }
    for peer in Set(peers).sorted() {
      let chain = "\(Layout.tunnelPrefix)host_" + AttachmentID.shortHash("\(peer) \(tunnel.port)")
      let element = Element(
        set: FamilySets(peer.family).tunnelHosts, key: [.address(peer), port], value: .none, comment: chain)
      share(SharedChain(name: chain, rules: [], entryElements: [element]), owner)
    }
  }

  /// Rules for packets that arrive at a VXLAN device's port; known hosts come early, which send almost all of them.
  ///
  /// If one network has no list of peers, the port is open to all hosts.
  private static var tunnelInputRules: [NftRule] {
    let hosts: [NftRule] = IPFamily.allCases.map(FamilySets.init(_:)).map {
      [.member([.address(.source, $0.family), .udpPort], $0.tunnelHosts), .accept]
    }
    return earlierInputRules.prefix(1) + hosts + earlierInputRules.dropFirst()
  }

  /// Those of earlier builds, without the rules for `tunnelHosts`.
  private static var earlierInputRules: [NftRule] {
    let peers: [NftRule] = IPFamily.allCases.map(FamilySets.init(_:)).map {
      [.verdict([.address(.source, $0.family), .udpPort], $0.tunnelPeers)]
    }
    return [
      [fromOurLinks, .drop], [.link(.incoming, ["lo"]), .returnToCaller], [.verdict([.udpPort], Layout.openTunnels)],
    ] + peers + [[.drop]]
  }

  /// Rules that lead what containers send to UDP ports to `tunnelHostRules`; most packets fail the first match.
  static var tunnelForwardRules: [NftRule] {
    IPFamily.allCases.map {
      [.transport(.udp), fromOurLinks, .family($0), .jump(Layout.tunnelHostsChain($0))]
    }
  }

  /// Rules that drop what containers send to other hosts' VXLAN ports.
  static func tunnelHostRules(_ family: IPFamily) -> [NftRule] {
    let sets = FamilySets(family), key = [Selector.address(.destination, family), .udpPort]
    return [[.member(key, sets.tunnelHosts), .drop], [.verdict(key, sets.tunnelPeers)]]
  }

  private func jumpElement(_ set: SetSpec, _ key: [Field], _ chain: String) -> Element {
    Element(set: set, key: key, value: .jump(chain), comment: chain)
  }

  private mutating func share(_ chain: SharedChain, _ owner: ElementOwner) {
    chains.append(chain)
    add(
      Layout.tunnelOwners, [.hash(AttachmentID.shortHash("\(owner.comment) \(chain.name)"))], .jump(chain.name), owner)
  }

  /// Whether reading whole sets takes fewer messages than looking up each element.
  var prefersDumps: Bool { elements.count > 4 && elements.allSatisfy { $0.set == Layout.tunnelOwners } }

  /// Whether all elements are there, and the port's own chain; each set is dumped once.
  ///
  /// A peer's chain exists as long as an element leads to it: the kernel refuses to delete it (EBUSY).
  func isCompleteInDumps(_ socket: borrowing RulesetSocket) throws(KernelError) -> Bool {
    guard let port = chains.first, try PresentRuleset.isComplete(port, in: socket) else { return false }
    var dumps: [String: [[UInt8]: ListedElement]] = [:]
    for element in elements + chains.flatMap({ $0.entryElements }) {
      if dumps[element.set.qualifiedName] == nil {
        let all = try socket.elements(of: element.set)
        dumps[element.set.qualifiedName] = all.reduce(into: [:]) { $0[$1.key] = $0[$1.key] ?? $1 }
      }
      guard let present = dumps[element.set.qualifiedName]?[element.key.bytes], present.matches(element),
        present.comment == element.comment
      else { return false }
    }
    return true
  }
}

/// A network's rules for its tunnel as earlier builds made them: each peer's element leads to the peer's chain.
///
/// They stay until the network's peers change.
extension NftablesPlan {
  /// Whether all rules are there.
  static func hasEarlierTunnels(_ ruleSet: RuleSet, in socket: borrowing RulesetSocket) throws(KernelError) -> Bool {
    let owner = ElementOwner(ruleSet.owner.filterTag, ruleSet.role), anchor = anchorElement(owner)
    for (chain, count) in [("\(Layout.tunnelPrefix)input", 1), ("\(Layout.tunnelPrefix)forward", 2)] {
      guard try socket.ruleCount(of: chain, .inet) == count else { return false }
    }
    guard try socket.has(anchor, of: owner) else { return false }
    for rule in ruleSet.rules {
      guard case .guardTunnel(let tunnel) = rule, tunnel.peers != nil else { return false }
      // Another network may have got its rules from a build with more rules in the port's chain.
      let own = NftablesPlan(earlier: tunnel, earlierInputRules, owner)
      if try own.isComplete(in: socket, owner) { continue }
      let shared = NftablesPlan(earlier: tunnel, tunnelInputRules, owner)
      guard try shared.isComplete(in: socket, owner) else { return false }
    }
    return true
  }

  private init(earlier tunnel: TunnelGuard, _ portRules: [NftRule], _ owner: ElementOwner) {
    let port = Field.port(tunnel.port), name = "\(Layout.tunnelPrefix)\(tunnel.port)"
    let entryElement = jumpElement(Layout.tunnels, [port], name)
    share(SharedChain(name: name, rules: portRules, entryElements: [entryElement]), owner)
    for peer in Set(tunnel.peers ?? []).sorted() {
      let chain = Layout.tunnelPrefix + AttachmentID.shortHash("\(peer) \(tunnel.port)")
      let element = jumpElement(FamilySets(peer.family).tunnelPeers, [.address(peer), port], chain)
      share(SharedChain(name: chain, rules: [[Self.fromOurLinks, .drop], [.accept]], entryElements: [element]), owner)
    }
  }
}
