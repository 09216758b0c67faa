import CNI
import NetTypes
import PacketFilter

/// An owner's rules in the tables of `iptables`.
struct TablePlan: Equatable, Sendable {
  var items: [TableName: [PlanItem]] = [:]
  private var needed: [TableName: Set<PlanItem>] = [:]
  let tag: String
  let role: PluginRole
  /// The tag prefix of the owner's network.
  let network: String
  /// The families in which bridges are isolated.
  let families: [IPFamily]

  init(_ ruleSet: RuleSet, _ families: [IPFamily]) {
    self.families = families
    tag = ruleSet.owner.filterTag
    role = ruleSet.role
    network = AttachmentID.filterTagPrefix(ruleSet.owner.network)
  }

  /// Everything that the rule set needs.
  ///
  /// - Parameters:
  ///   - ruleSet: the wanted rules.
  ///   - families: the families that the host supports.
  /// - Returns: the items of each table.
  /// - Throws: EOPNOTSUPP for a rule that only nftables supports, EINVAL for an invalid condition or chain name.
  static func of(_ ruleSet: RuleSet, families: [IPFamily] = IPFamily.allCases) throws(KernelError) -> TablePlan {
    var plan = TablePlan(ruleSet, families)
    for rule in ruleSet.rules { try plan.add(rule) }
    return plan
  }

  var tables: [TableName] { TableName.all.filter { items[$0] != nil } }

  /// The comment of the owner's rules.
  var ownerMatch: Match { .comment(Layout.ownerComment(tag, role)) }

  mutating func add(_ rule: Rule) throws(KernelError) {
    switch rule {
    case .masquerade(let masquerade): add(masquerade)
    case .isolate(let isolation): for family in families { add(isolation, family) }
    case .link(let link): add(link)
    case .guardSource(let guarded): throw noFrames(guarded.port)
    case .guardAddresses(let guarded): throw noFrames(guarded.port)
    case .guardTunnel(let tunnel):
      throw KernelError(
        "guard UDP port \(tunnel.port)", errno: .EOPNOTSUPP,
        reason: "the iptables backend cannot do this; needs the nftables backend")
    case .publish(let port): try add(port)
    case .float(let floating): add(floating)
    case .admit(let admission): try add(admission)
    case .serve(let service): add(service)
    case .pass(let passage): try add(passage)
    case .limit, .join, .balance:
      throw KernelError(
        "add \(rule)", errno: .EOPNOTSUPP,
        reason: "the iptables backend has no policies and no services; needs the nftables backend")
    case .trust: break  // sources are in firewalld, not in a table
    }
  }

  private func noFrames(_ port: InterfaceName) -> KernelError {
    KernelError(
      "guard \(port)", errno: .EOPNOTSUPP,
      reason: "the iptables backend cannot filter bridge frames; needs the nftables backend")
  }

  /// Adds an item; several rules of one owner may need the same one, which is added once.
  mutating func need(_ item: PlanItem, _ table: TableName) {
    if needed[table, default: []].insert(item).inserted { items[table, default: []].append(item) }
  }

  /// Adds one of our chains and the jumps to it from built-in chains.
  mutating func need(
    _ chain: String, from hooks: [String], _ comment: String, _ position: PlanItem.Position, _ table: TableName,
    localOnly: Bool = false
  ) {
    need(.chain(chain), table)
    var jump = TableRule(table.family, .comment(comment), target: .jump(chain))
    if localOnly { jump.matches.insert(.addressType(source: nil, destination: Test(.local)), at: 0) }
    for hook in hooks {
      // Packets that the host sends to itself have been translated in OUTPUT.
      jump.destination = localOnly && hook == "PREROUTING" ? Test(.loopback(table.family), isNegated: true) : nil
      need(.shared(jump, in: hook, position), table)
    }
  }

  /// Counts the owner among the users of `chain`.
  mutating func addUser(of chain: String, source: IPAddress? = nil, _ table: TableName) {
    need(.chain(Layout.owners), table)
    var rule = TableRule(table.family, ownerMatch, target: .jump(chain))
    rule.source = source.map { Test(IPPrefix(host: $0)) }
    need(.owned(rule, in: Layout.owners, .last), table)
  }
}

extension Match {
  /// Replies.
  static let replies = Match.states(Test([.related, .established]))
  /// Replies, and packets to a published port.
  static let repliesOrPublished = Match.states(Test([.related, .established, .translated]))
  static let neitherRepliesNorPublished = Match.states(Test([.related, .established, .translated], isNegated: true))
  /// Packets to a published port, and the replies from it.
  static let translated = Match.states(Test(.translated))
}

extension TablePlan {
  /// Adds the chain in front of all other rules of INPUT, so that a host with a default drop accepts the containers' queries.
  mutating func add(_ service: NameService) {
    let table = TableName(.filter, service.address.family)
    let chain = Layout.serviceChain(service.address)
    need(.chain(Layout.names), table)
    for transport in [TransportProtocol.udp, .tcp] {
      var jump = TableRule(
        table.family, .port(transport, NameService.port), .comment("cni: name servers"), target: .jump(Layout.names))
      jump.transport = transport
      need(.shared(jump, in: "INPUT", .first), table)
    }
    need(.filled(.init(chain: chain, rules: service.rules, subject: "name service at \(service.address)")), table)
    var jump = TableRule(table.family, target: .jump(chain))
    jump.destination = Test(IPPrefix(host: service.address))
    need(.shared(jump, in: Layout.names, .last), table)
    addUser(of: chain, table)
  }
}

extension NameService {
  /// Queries that the host sends to itself are left to the other rules.
  fileprivate var rules: [TableRule] {
    var accept = TableRule(address.family, target: .accept)
    accept.inDevice = Test(Device(bridge))
    var drop = TableRule(address.family, target: .drop)
    if let loopback = InterfaceName("lo") { drop.inDevice = Test(Device(loopback), isNegated: true) }
    return [accept, drop]
  }
}

extension TablePlan {
  /// Accepts a network's packets ahead of FORWARD's own rules: two jumps and a chain, for any number of containers.
  mutating func add(_ passage: Passage) throws(KernelError) {
    let (subnet, family) = (passage.subnet.network, passage.subnet.family)
    let table = TableName(.filter, family)
    let chain =
      Layout.admissionPrefix
      + AttachmentID.shortHash("\(network) \(subnet) \(passage.kind.rawValue) \(passage.link?.description ?? "")")
    need(Layout.forward, from: ["FORWARD"], "CNI firewall plugin rules", .after(Layout.isolation), table)
    var comment = Layout.ownerComment(tag, role)
    if let name = passage.adminChain {
      guard Layout.isChainName(name), !Layout.isOurs(name) else {
        throw KernelError(
          "admit \(subnet)", errno: .EINVAL, reason: "admin chain \(name): want \(Layout.wantedChainName)")
      }
      need(.foreign(.init(name, from: Layout.forward, .first, Layout.adminComment, family)), table)
      comment += " \(name)"
    }
    need(.filled(PlanItem.FilledChain(chain: chain, rules: passage.rules)), table)
    var outgoing = TableRule(family, .comment(network), target: .jump(chain))
    outgoing.source = Test(subnet)
    var incoming = outgoing
    incoming.source = nil
    incoming.destination = Test(subnet)
    for jump in [outgoing, incoming] { need(.shared(jump, in: Layout.forward, .last), table) }
    need(.chain(Layout.owners), table)
    need(.owned(TableRule(family, .comment(comment), target: .jump(chain)), in: Layout.owners, .last), table)
  }

  /// The part of the plan for these tables.
  func limited(to tables: [TableName]) -> TablePlan {
    var plan = self
    plan.items = items.filter { tables.contains($0.key) }
    return plan
  }

  /// The items of both plans; equal items are kept once.
  func joined(with other: TablePlan) -> TablePlan {
    var plan = self
    for name in other.tables { for item in other.items[name] ?? [] { plan.need(item, name) } }
    return plan
  }
}

extension Passage {
  fileprivate var rules: [TableRule] {
    let family = subnet.family
    var incoming = TableRule(family, kind == .outbound ? .replies : .translated, target: .accept)
    incoming.destination = Test(subnet.network)
    var outgoing = TableRule(family, target: .accept)
    if kind == .published { outgoing.matches = [.replies] }
    outgoing.source = Test(subnet.network)
    outgoing.inDevice = link.map { Test(Device($0)) }
    return [incoming, outgoing]
  }
}

extension RuleSet {
  var onlyPassages: RuleSet { filtered { $0.isPassage } }
  var withoutPassages: RuleSet { filtered { !$0.isPassage } }

  private func filtered(_ isWanted: (Rule) -> Bool) -> RuleSet {
    var ruleSet = self
    ruleSet.rules = rules.filter(isWanted)
    return ruleSet
  }
}

extension TablePlan {
  mutating func needOutbound(_ table: TableName) {
    need(Layout.outbound, from: ["POSTROUTING"], "cni: outbound", .last, table)
  }

  mutating func add(_ masquerade: Masquerade) {
    let family = masquerade.address.family
    let table = TableName(.nat, family)
    let subnet = masquerade.subnet.network
    let chain = Layout.masqueradePrefix + AttachmentID.shortHash("\(network) \(subnet) \(masquerade.isRandom)")
    var rules: [TableRule] = []
    for prefix in [subnet, IPPrefix.multicast(family)] {
      var rule = TableRule(family, target: .returnToCaller)
      rule.destination = Test(prefix)
      rules.append(rule)
    }
    rules.append(TableRule(family, target: .masquerade(isRandom: masquerade.isRandom)))
    needOutbound(table)
    need(.filled(PlanItem.FilledChain(chain: chain, rules: rules)), table)
    var jump = TableRule(family, .comment(network), target: .jump(chain))
    jump.source = Test(subnet)
    need(.shared(jump, in: Layout.outbound, .last), table)
    addUser(of: chain, source: masquerade.address, table)
  }

  /// Masquerades packets from `source` that were translated to `target`, so that the replies return through this host.
  ///
  /// - Parameters:
  ///   - source: the sender's prefix; `nil`: any sender.
  ///   - target: a container.
  ///   - table: the table to change.
  mutating func masqueradeTranslated(from source: IPPrefix?, to target: IPAddress, _ table: TableName) {
    needOutbound(table)
    var rule = TableRule(table.family, .translated, ownerMatch, target: .masquerade(isRandom: false))
    rule.source = source.map { Test($0) }
    rule.destination = Test(IPPrefix(host: target))
    need(.owned(rule, in: Layout.outbound, .first), table)
  }

  /// Masquerades such packets for all published ports of a subnet: one rule, whatever the number of containers.
  ///
  /// The rule is removed with the last published port of the subnet (`sweepReturnPaths`). Until then it applies to all
  /// containers of the subnet, also to those without masquerade: their replies would otherwise bypass this host.
  mutating func masqueradePublished(from source: IPPrefix, to subnet: IPPrefix, _ table: TableName) {
    needOutbound(table)
    var rule = TableRule(
      table.family, .translated, .comment(Layout.returnComment), target: .masquerade(isRandom: false))
    rule.source = Test(source)
    rule.destination = Test(subnet)
    need(.shared(rule, in: Layout.outbound, .first), table)
  }

  mutating func add(_ floating: FloatingAddress) {
    let family = floating.external.family
    let table = TableName(.nat, family)
    need(
      Layout.floating, from: ["PREROUTING", "OUTPUT"], "cni: floating addresses", .before(Layout.ports), table)
    var inbound = TableRule(family, ownerMatch, target: .destination(floating.target, port: nil))
    inbound.destination = Test(IPPrefix(host: floating.external))
    need(.owned(inbound, in: Layout.floating, .last), table)
    needOutbound(table)
    let unicast = Match.addressType(source: nil, destination: Test(.multicast, isNegated: true))
    var outbound = TableRule(family, unicast, ownerMatch, target: .source(floating.external))
    outbound.source = Test(IPPrefix(host: floating.target))
    outbound.destination = Test(floating.subnet.network, isNegated: true)
    need(.owned(outbound, in: Layout.outbound, .first), table)
    masqueradeTranslated(from: floating.subnet.network, to: floating.target, table)
  }
}

extension IPPrefix {
  static func multicast(_ family: IPFamily) -> IPPrefix {
    let first = family == .v4 ? IPAddress(v4: 0xE000_0000) : IPAddress(v6: 0xFF << 120)
    return IPPrefix(first, length: family == .v4 ? 4 : 8) ?? IPPrefix(host: first)
  }

  /// The host's loopback addresses.
  static func loopback(_ family: IPFamily) -> IPPrefix {
    let first = family == .v4 ? IPAddress(v4: 0x7F00_0000) : IPAddress(v6: 1)
    return IPPrefix(first, length: family == .v4 ? 8 : 128) ?? IPPrefix(host: first)
  }
}
