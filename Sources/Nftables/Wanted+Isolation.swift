import CNI
import NetTypes
import PacketFilter

extension Wanted {
  /// Adds chains for both directions of a network's links, looked up by link name, and an element for the owner.
  mutating func isolate(_ rule: Isolation, _ owner: ElementOwner) throws(KernelError) {
    guard Layout.isolating.contains(owner.role) else {
      throw KernelError(
        "isolate bridge \(rule.bridge)", errno: .EOPNOTSUPP,
        reason: "part \(owner.role.rawValue) isolates nothing; want network or firewall")
    }
    for link in rule.links { try Words.check(name: link.description) }
    let entering = Wanted.entering(rule)
    let leaving = Wanted.leaving(rule)
    let hash = AttachmentID.shortHash((["\(owner.role)"] + entering + leaving).joined(separator: "\n"))
    let (name, companion) = ("enter_\(hash)", "leave_\(hash)")
    chains.append(
      SharedChain(
        name: name, rules: entering, companions: [.init(name: companion, rules: leaving)],
        keepers: rule.links.map { [Field.interface($0)] }.flatMap { key in
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

  private static let answers = "ct state established,related return"
  private static let published = "ct status dnat return"

  /// Rules for packets that the host forwards to the network's links.
  private static func entering(_ rule: Isolation) -> [String] {
    let within = "iifname \(names(rule))"
    let between = rule.separatesContainers ? separating(within) : ["\(within) return"]
    let passing = rule.reach == .nobody ? between : between + [answers, published]
    guard rule.reach != .outside else {
      return passing + droppingIsolated("iif") + (rule.separatesContainers ? direct(rule, "saddr") : [])
    }
    return passing + (rule.direct.isEmpty ? [] : dropping("iif")) + direct(rule, "saddr") + ["drop"]
  }

  /// Rules for packets that the host forwards from the network's links.
  private static func leaving(_ rule: Isolation) -> [String] {
    let within = "oifname \(names(rule)) return"
    guard rule.reach != .nobody else {
      return [within] + (rule.direct.isEmpty ? [] : dropping("oif")) + direct(rule, "daddr") + ["drop"]
    }
    let others = rule.reach == .outside ? droppingIsolated("oif") : dropping("oif")
    return [within, answers, published] + others + (rule.separatesContainers ? direct(rule, "daddr") : [])
  }

  /// Rules for packets from other hosts (`saddr`) or to them (`daddr`) that do not use the partner link.
  private static func direct(_ rule: Isolation, _ end: String) -> [String] {
    rule.direct.map(\.network).flatMap { prefix in
      let sets = FamilySets(prefix.family)
      let within = "\(sets.word) \(end) \(prefix)"
      return rule.separatesContainers
        ? ["\(within) \(answers)", "\(within) \(linked(sets))", "\(within) drop"] : ["\(within) return"]
    }
  }

  /// One link name or a set of them: `"br0"`, `{ "br0", "vx0" }`.
  private static func names(_ rule: Isolation) -> String {
    let names = rule.links.map { "\"\($0)\"" }
    return names.count == 1 ? names[0] : "{ \(names.joined(separator: ", ")) }"
  }

  /// Rules that drop packets from (`iif`) or to (`oif`) another network of ours.
  private static func dropping(_ direction: String) -> [String] {
    ["\(direction)group \(Isolation.linkGroup) drop"] + droppingIsolated(direction)
  }

  /// Rules that drop packets from (`iif`) or to (`oif`) an isolated network.
  private static func droppingIsolated(_ direction: String) -> [String] {
    Layout.isolating.map { "\(direction)name @\(Layout.isolated($0).name) drop" }
  }

  /// Rules between separated containers.
  ///
  /// With br_netfilter, IPv6 neighbour discovery passes these rules too; if it were dropped, no IPv6 connection would
  /// work.
  private static func separating(_ within: String) -> [String] {
    [
      "\(within) \(answers)", "\(within) \(published)",
      "\(within) icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } return",
    ]
      + IPFamily.allCases.map(FamilySets.init(_:)).map { "\(within) \(linked($0))" } + ["\(within) drop"]
  }

  private static func linked(_ sets: FamilySets) -> String {
    "\(sets.word) saddr . \(sets.word) daddr . meta l4proto . th dport @\(sets.links.name) return"
  }
}
