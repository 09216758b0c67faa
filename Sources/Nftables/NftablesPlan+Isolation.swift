import CNI
import NetTypes
import PacketFilter

extension NftablesPlan {
  /// Adds a chain for packets to the network's links, one for packets from them, and an element for the owner.
  mutating func isolate(_ rule: Isolation, _ owner: ElementOwner) throws(KernelError) {
    guard Layout.isolating.contains(owner.role) else {
      throw KernelError(
        "isolate bridge \(rule.bridge)", errno: .EOPNOTSUPP,
        reason: "role \(owner.role.rawValue) cannot isolate a bridge; want network or firewall")
    }
    for link in rule.links { try NftSyntax.check(name: link.description) }
    let entering = NftablesPlan.enteringRules(rule)
    let leaving = NftablesPlan.leavingRules(rule)
    let hash = AttachmentID.shortHash(
      (["\(owner.role)"] + (entering + leaving).map { $0.text }).joined(separator: "\n"))
    let (name, companion) = ("enter_\(hash)", "leave_\(hash)")
    chains.append(
      SharedChain(
        name: name, rules: entering, companions: [.init(name: companion, rules: leaving)],
        entryElements: rule.links.map { [Field.interface($0)] }.flatMap { key in
          [
            Element(set: Layout.entering(owner.role), key: key, value: .jump(name), comment: name),
            Element(set: Layout.leaving(owner.role), key: key, value: .jump(companion), comment: name),
            Element(set: Layout.isolated(owner.role), key: key, value: .none, comment: name),
          ]
        }))
    add(
      Layout.isolators(owner.role), [.hash(AttachmentID.shortHash("\(owner.comment) \(rule.bridge)"))], .jump(name),
      owner)
  }

  private static let replies: [Statement] = [.established, .returnToCaller]
  private static let published: [Statement] = [.translated, .returnToCaller]

  /// Rules for packets that the host forwards to the network's links.
  private static func enteringRules(_ rule: Isolation) -> [NftRule] {
    let within = Statement.link(.incoming, rule.links.map { $0.description })
    let between = rule.separatesContainers ? separationRules(within) : [[within, .returnToCaller]]
    let returnRules = rule.reach == .closed ? between : between + [NftRule(replies), NftRule(published)]
    guard rule.reach != .outside else {
      return returnRules + isolatedDropRules(.incoming) + (rule.separatesContainers ? directRules(rule, .source) : [])
    }
    let drops = rule.directPrefixes.isEmpty ? [] : dropRules(.incoming)
    return returnRules + drops + directRules(rule, .source) + [[.drop]]
  }

  /// Rules for packets that the host forwards from the network's links.
  private static func leavingRules(_ rule: Isolation) -> [NftRule] {
    let within: NftRule = [.link(.outgoing, rule.links.map { $0.description }), .returnToCaller]
    guard rule.reach != .closed else {
      let drops = rule.directPrefixes.isEmpty ? [] : dropRules(.outgoing)
      return [within] + drops + directRules(rule, .destination) + [[.drop]]
    }
    let drops = rule.reach == .outside ? isolatedDropRules(.outgoing) : dropRules(.outgoing)
    return [within, NftRule(replies), NftRule(published)] + drops
      + (rule.separatesContainers ? directRules(rule, .destination) : [])
  }

  /// Rules for packets from other hosts (`source`) or to them (`destination`) that do not use the partner link.
  private static func directRules(_ rule: Isolation, _ end: End) -> [NftRule] {
    rule.directPrefixes.map { $0.network }.flatMap { prefix -> [NftRule] in
      let within = Statement.prefix(end, prefix)
      guard rule.separatesContainers else { return [[within, .returnToCaller]] }
      return [
        NftRule([within] + replies), NftRule([within] + connectionLookup(FamilySets(prefix.family))), [within, .drop],
      ]
    }
  }

  /// Rules that drop packets from or to another network of ours.
  private static func dropRules(_ direction: Direction) -> [NftRule] {
    [[.linkGroup(direction, Isolation.linkGroup...Isolation.linkGroup), .drop]] + isolatedDropRules(direction)
  }

  /// Rules that drop packets from or to an isolated network.
  private static func isolatedDropRules(_ direction: Direction) -> [NftRule] {
    Layout.isolating.map { [.member([.link(direction)], Layout.isolated($0)), .drop] }
  }

  /// Rules between separated containers.
  ///
  /// With br_netfilter, IPv6 neighbour discovery passes these rules too; without it no IPv6 connection works.
  private static func separationRules(_ within: Statement) -> [NftRule] {
    [
      NftRule([within] + replies), NftRule([within] + published),
      [within, .neighbourDiscovery, .returnToCaller],
    ]
      + IPFamily.allCases.map { NftRule([within] + connectionLookup(FamilySets($0))) } + [[within, .drop]]
  }

  private static func connectionLookup(_ sets: FamilySets) -> [Statement] {
    let ends = [End.source, .destination].map { Selector.address($0, sets.family) }
    return [.member(ends + [.transport, .port], sets.links), .returnToCaller]
  }
}
