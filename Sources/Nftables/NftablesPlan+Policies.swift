import CNI
import NetTypes
import PacketFilter

extension NftablesPlan {
  /// Adds a chain for each limited direction, shared by containers with the same policy, and elements that lead to it.
  mutating func limit(_ policy: Policy, _ owner: ElementOwner, _ form: PolicyForm) throws(KernelError) {
    for link in policy.links + [policy.tunnel].compactMap({ $0 }) { try NftSyntax.check(name: link.description) }
    for side in PolicySide.allCases {
      guard let permissions = side.permissions(policy) else { continue }
      for permission in permissions where !policy.isOwn(permission.peer) { name(permission.peer, owner) }
      let rules = side.rules(permissions, policy)
      guard form == .byContainer || !policy.canLeadByLink else {
        leadByLink(side, rules, policy, owner)
        continue
      }
      let chain = SharedChain(name: NftablesPlan.chainName("policy_\(side)_", rules), rules: rules)
      chains.append(chain)
      if side == .ingress, let tunnel = policy.tunnel, policy.addresses.isEmpty {
        add(Layout.limitedFar, [.interface(tunnel)], .jump(chain.name), owner)
      }
      for link in policy.links { lead(link, side, policy, to: chain, owner) }
    }
  }

  private mutating func lead(
    _ link: InterfaceName, _ side: PolicySide, _ policy: Policy, to chain: SharedChain, _ owner: ElementOwner
  ) {
    if policy.isInContainer {
      return add(Layout.ownLimits(side), [.interface(link)], .jump(chain.name), owner)
    }
    if side == .egress, policy.ownsLinks {
      return add(Layout.limitedLinks, [.interface(link)], .jump(chain.name), owner)
    }
    for address in policy.addresses {
      let set = side.limited(FamilySets(address.family))
      add(set, [.interface(link), .address(address)], .jump(chain.name), owner)
    }
  }

  private mutating func leadByLink(
    _ side: PolicySide, _ rules: [NftRule], _ policy: Policy, _ owner: ElementOwner
  ) {
    let chain = LinkPolicies.chain(side, rules, policy)
    use(chain, owner)
    addMembers(policy.links, policy.addresses, owner) { LinkPolicies.members(of: chain.name, $0) }
  }

  private mutating func addMembers(
    _ links: [InterfaceName], _ addresses: [IPAddress], _ owner: ElementOwner, of set: (IPFamily) -> SetSpec
  ) {
    for link in links {
      for address in addresses { add(set(address.family), [.interface(link), .address(address)], .none, owner) }
    }
  }

  /// Adds the container to the sets of its labels.
  mutating func join(_ membership: Membership, _ owner: ElementOwner) throws(KernelError) {
    for link in membership.links { try NftSyntax.check(name: link.description) }
    for label in membership.labels {
      let chain = PeerSets.chain(of: label)
      use(chain, owner)
      addMembers(membership.links, membership.addresses, owner) { PeerSets.members(of: chain.name, $0) }
    }
  }

  private mutating func name(_ peer: Policy.Peer, _ owner: ElementOwner) {
    switch peer {
    case .network(let network): use(PeerSets.chain(of: network), owner)
    case .label(let label): use(PeerSets.chain(of: label), owner)
    case .anyone, .prefix: break
    }
  }

  private mutating func use(_ chain: SharedChain, _ owner: ElementOwner) {
    if !chains.contains(chain) { chains.append(chain) }
    let key = Field.hash(AttachmentID.shortHash("\(owner.comment) \(chain.name)"))
    guard !elements.contains(where: { $0.set == Layout.peerUsers && $0.key == [key] }) else { return }
    add(Layout.peerUsers, [key], .jump(chain.name), owner)
  }
}

/// A direction of connections, seen from the container with the policy.
enum PolicySide: String, CaseIterable, CustomStringConvertible {
  case ingress = "in"
  case egress = "out"

  var description: String { rawValue }

  func permissions(_ policy: Policy) -> [Policy.Permission]? { self == .ingress ? policy.ingress : policy.egress }

  func limited(_ sets: FamilySets) -> SetSpec { self == .ingress ? sets.limitedIn : sets.limitedOut }

  /// The link and the address of the peer in a packet.
  private var link: Direction { self == .ingress ? .incoming : .outgoing }
  private var end: End { self == .ingress ? .source : .destination }

  /// Returns for what is allowed; counts, logs and drops everything else.
  ///
  /// Between containers that a bridge keeps apart, only entries for their network and for labels allow anything. Other
  /// bridges pass such packets only to br_netfilter, and not to be limited.
  func rules(_ permissions: [Policy.Permission], _ policy: Policy) -> [NftRule] {
    let families = policy.families
    let within = Statement.link(link, policy.links.map { $0.description })
    let logged: [Statement] = policy.logGroup.map { [.log(group: $0)] } ?? []
    let denied: [Statement] = [.counter] + logged + [.drop]
    let peers = permissions.byPeer.map { peer, ports in
      (
        isForAll: peer == .anyone,
        rules: rules(policy.isOwn(peer) ? [[within]] : matches(peer, families) + farMatches(peer, policy), ports)
      )
    }
    let named = peers.filter { !$0.isForAll }.flatMap { $0.rules }
    let others =
      peers.filter { $0.isForAll }.flatMap { $0.rules }
      + families.flatMap { family in permissions.ranges(family).rules(end) } + [NftRule(denied)]
    if policy.isInContainer { return unlimitedInContainer(policy) + named + others }
    guard policy.ownNetwork != nil else { return [[within, .returnToCaller]] + ownPrefixes(policy) + named + others }
    let discovery: [NftRule] = families.contains(.v6) ? [[within, .neighbourDiscovery, .returnToCaller]] : []
    return discovery + named + [NftRule([within] + denied)] + others
  }

  private func rules(_ matches: [[Statement]], _ ports: [PortSpan]) -> [NftRule] {
    let matched: [Statement] = ports.isEmpty ? [] : [.ports(ports)]
    return matches.map { NftRule($0 + matched + [.returnToCaller]) }
  }

  /// What the network's own containers on other hosts send or get.
  private func ownPrefixes(_ policy: Policy) -> [NftRule] {
    guard let tunnel = policy.tunnel else { return [] }
    return policy.network.filter { policy.families.contains($0.family) }.map {
      [.link(link, [tunnel.description]), .prefix(end, $0.network), .returnToCaller]
    }
  }

  /// Packets of peers on other hosts arrive by the tunnel of the network to which they go.
  private func farMatches(_ peer: Policy.Peer, _ policy: Policy) -> [[Statement]] {
    guard self == .ingress, let tunnel = policy.tunnel, !policy.addresses.isEmpty else { return [] }
    return policy.families.compactMap { family -> [Statement]? in
      let set: SetSpec
      switch peer {
      case .network(let network): set = PeerSets.prefixes(of: PeerSets.chain(of: network).name, family)
      case .label(let label): set = PeerSets.farMembers(of: PeerSets.chain(of: label).name, family)
      case .anyone, .prefix: return nil
      }
      return [.link(link, [tunnel.description]), .member([.address(end, family)], set)]
    }
  }

  private func matches(_ peer: Policy.Peer, _ families: [IPFamily]) -> [[Statement]] {
    switch peer {
    case .anyone: return [[]]
    case .network(let network): return [[.member([.link(link)], PeerSets.links(of: PeerSets.chain(of: network).name))]]
    case .label(let label):
      let chain = PeerSets.chain(of: label).name
      return families.map { family in
        [.member([.link(link), .address(end, family)], PeerSets.members(of: chain, family))]
      }
    case .prefix: return []  // all of them in one rule
    }
  }
}

extension Policy {
  fileprivate func isOwn(_ peer: Peer) -> Bool {
    if case .network(let name) = peer { name == ownNetwork } else { false }
  }
}

extension [Policy.Permission] {
  /// What the prefixes of one family allow.
  fileprivate func ranges(_ family: IPFamily) -> [AllowedRange] {
    let prefixes = compactMap { permission -> (IPPrefix, [PortSpan])? in
      guard case .prefix(let prefix) = permission.peer, prefix.family == family else { return nil }
      return (prefix, permission.ports.merged)
    }
    return [AllowedRange](prefixes)
  }

  /// Each peer once, with all ports that it may use; none stands for everything.
  fileprivate var byPeer: [(Policy.Peer, [PortSpan])] {
    let grouped = Dictionary(grouping: self, by: { $0.peer })
    var seen: Set<Policy.Peer> = []
    return map { $0.peer }.filter { seen.insert($0).inserted }.map { peer in
      let ports = (grouped[peer] ?? []).map { $0.ports }
      return (peer, ports.contains { $0.isEmpty } ? [] : ports.flatMap { $0 }.merged)
    }
  }
}
