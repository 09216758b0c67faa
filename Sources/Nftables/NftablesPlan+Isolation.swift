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
    let hash = AttachmentID.shortHash((["\(owner.role)"] + entering + leaving).joined(separator: "\n"))
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

  private static let replies = "ct state established,related return"
  private static let published = "ct status dnat return"

  /// Rules for packets that the host forwards to the network's links.
  private static func enteringRules(_ rule: Isolation) -> [String] {
    let within = "iifname \(names(rule))"
    let between = rule.separatesContainers ? separationRules(within) : ["\(within) return"]
    let returnRules = rule.reach == .closed ? between : between + [replies, published]
    guard rule.reach != .outside else {
      return returnRules + isolatedDropRules("iif") + (rule.separatesContainers ? directRules(rule, "saddr") : [])
    }
    return returnRules + (rule.directPrefixes.isEmpty ? [] : dropRules("iif")) + directRules(rule, "saddr") + ["drop"]
  }

  /// Rules for packets that the host forwards from the network's links.
  private static func leavingRules(_ rule: Isolation) -> [String] {
    let within = "oifname \(names(rule)) return"
    guard rule.reach != .closed else {
      return [within] + (rule.directPrefixes.isEmpty ? [] : dropRules("oif")) + directRules(rule, "daddr") + ["drop"]
    }
    let drops = rule.reach == .outside ? isolatedDropRules("oif") : dropRules("oif")
    return [within, replies, published] + drops + (rule.separatesContainers ? directRules(rule, "daddr") : [])
  }

  /// Rules for packets from other hosts (`saddr`) or to them (`daddr`) that do not use the partner link.
  private static func directRules(_ rule: Isolation, _ end: String) -> [String] {
    rule.directPrefixes.map(\.network).flatMap { prefix in
      let sets = FamilySets(prefix.family)
      let within = "\(sets.keyword) \(end) \(prefix)"
      return rule.separatesContainers
        ? ["\(within) \(replies)", "\(within) \(connectionLookup(sets))", "\(within) drop"] : ["\(within) return"]
    }
  }

  /// One link name or a set of them: `"br0"`, `{ "br0", "vx0" }`.
  private static func names(_ rule: Isolation) -> String {
    let names = rule.links.map { "\"\($0)\"" }
    return names.count == 1 ? names[0] : "{ \(names.joined(separator: ", ")) }"
  }

  /// Rules that drop packets from (`iif`) or to (`oif`) another network of ours.
  private static func dropRules(_ direction: String) -> [String] {
    ["\(direction)group \(Isolation.linkGroup) drop"] + isolatedDropRules(direction)
  }

  /// Rules that drop packets from (`iif`) or to (`oif`) an isolated network.
  private static func isolatedDropRules(_ direction: String) -> [String] {
    Layout.isolating.map { "\(direction)name @\(Layout.isolated($0).name) drop" }
  }

  /// Rules between separated containers.
  ///
  /// With br_netfilter, IPv6 neighbour discovery passes these rules too; without it no IPv6 connection works.
  private static func separationRules(_ within: String) -> [String] {
    [
      "\(within) \(replies)", "\(within) \(published)",
      "\(within) icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } return",
    ]
      + IPFamily.allCases.map(FamilySets.init(_:)).map { "\(within) \(connectionLookup($0))" } + ["\(within) drop"]
  }

  private static func connectionLookup(_ sets: FamilySets) -> String {
    "\(sets.keyword) saddr . \(sets.keyword) daddr . meta l4proto . th dport @\(sets.links.name) return"
  }
}
