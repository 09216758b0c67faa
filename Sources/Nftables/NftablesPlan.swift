import CNI
import Kernel
import NetTypes
import PacketFilter

/// What a rule set needs: its own elements, shared chains, and rules for spare ports.
struct NftablesPlan: Equatable {
  var elements: [Element] = []
  var chains: [SharedChain] = []
  var spares: [SpareRule] = []

  /// - Throws: EOPNOTSUPP or EINVAL with what nftables cannot do.
  init(_ ruleSet: RuleSet, _ form: PolicyForm = .byLink) throws(KernelError) {
    try self.init(ruleSet.rules, ElementOwner(ruleSet.owner.filterTag, ruleSet.role), form)
  }

  init(_ rules: [Rule], _ owner: ElementOwner, _ form: PolicyForm = .byLink) throws(KernelError) {
    try NftSyntax.check(name: owner.tag)
    var all = MergedPlan()
    for rule in rules { try all.add(NftablesPlan(rule, owner, form)) }
    self = all.plan
    // Source guards alone do not need the table `inet`.
    if elements.isEmpty || elements.contains(where: { $0.set.table == .inet }) {
      elements.append(NftablesPlan.anchorElement(owner))
    }
  }

  /// What one rule needs, without the owner's anchor element.
  init(_ rule: Rule, _ owner: ElementOwner, _ form: PolicyForm = .byLink) throws(KernelError) {
    var plan = NftablesPlan()
    switch rule {
    case .masquerade(let rule): plan.masquerade(rule, owner)
    case .isolate(let rule): try plan.isolate(rule, owner)
    case .link(let link): plan.link(link, owner)
    case .guardSource(let guarded): try plan.guardSource(guarded, owner)
    case .guardAddresses(let guarded): try plan.guardAddresses(guarded, owner)
    case .guardTunnel(let tunnel): plan.guardTunnel(tunnel, owner)
    case .publish(let port): try plan.publish(port, owner)
    case .float(let floating): plan.float(floating, owner)
    case .admit(let admission): try plan.admit(admission, owner)
    case .serve(let service): try plan.serve(service, owner)
    case .limit(let policy): try plan.limit(policy, owner, form)
    case .join(let membership): try plan.join(membership, owner)
    case .balance(let backEnd): plan.balance(backEnd, owner)
    case .trust: break  // sources are in firewalld, not in a table
    case .pass: break  // no table can accept what another one drops
    }
    self = plan
  }

  init() {}

  /// The element that keeps the table as long as its owner has rules.
  static func anchorElement(_ owner: ElementOwner) -> Element {
    Element(
      set: Layout.owners, key: [.hash(AttachmentID.shortHash(owner.comment))], value: .jump(Table.inet.anchor),
      comment: owner.comment)
  }

  /// The parts of the tables that the elements need.
  var parts: [Layout.Part] { Layout.Part.allCases.filter { part in elements.contains { $0.set.part == part } } }

  /// The tables that the elements need.
  var tables: [Table] { Table.allCases.filter { table in elements.contains { $0.set.table == table } } }

  mutating func add(_ set: SetSpec, _ key: [Field], _ value: Element.Value, _ owner: ElementOwner) {
    elements.append(Element(set: set, key: key, value: value, comment: owner.comment))
  }

  /// A chain name from a hash of the rules, so that owners with the same rules share the chain.
  static func chainName(_ prefix: String, _ rules: [NftRule]) -> String {
    prefix + AttachmentID.shortHash(rules.map { $0.text }.joined(separator: "\n"))
  }
}

extension NftablesPlan {
  private mutating func masquerade(_ rule: Masquerade, _ owner: ElementOwner) {
    let sets = FamilySets(rule.address.family)
    let rules =
      NftablesPlan.rulesKeepingSource(rule.subnet.network) + [[.masquerade(isRandom: rule.isRandom)]]
    let chain = SharedChain(name: NftablesPlan.chainName("masq_", rules), rules: rules)
    chains.append(chain)
    add(sets.masquerade, [.address(rule.address)], .jump(chain.name), owner)
  }

  /// Rules for packets to the subnet itself or to multicast addresses, which keep their source.
  static func rulesKeepingSource(_ subnet: IPPrefix) -> [NftRule] {
    [subnet, .multicast(subnet.family)].map { [.prefix(.destination, $0), .returnToCaller] }
  }

  private mutating func link(_ link: AllowedConnection, _ owner: ElementOwner) {
    add(
      FamilySets(link.from.family).links,
      [.address(link.from), .address(link.to), .transport(link.transport), .port(link.port)], .none, owner)
  }

  private mutating func float(_ floating: FloatingAddress, _ owner: ElementOwner) {
    let sets = FamilySets(floating.target.family)
    let subnet = floating.subnet.network
    let rules =
      NftablesPlan.rulesKeepingSource(subnet) + [
        [.translate(.source, sets.family, [.address(.source, sets.family)], sets.external)]
      ]
    let leaving = SharedChain(name: NftablesPlan.chainName("float_", rules), rules: rules)
    let back = NftablesPlan.returnPathChain(from: subnet)
    chains += [leaving, back]
    add(sets.floating, [.address(floating.external)], .fields([.address(floating.target)]), owner)
    add(sets.external, [.address(floating.target)], .fields([.address(floating.external)]), owner)
    add(sets.leavingFloat, [.address(floating.target)], .jump(leaving.name), owner)
    add(sets.neighbours, [.address(floating.target)], .jump(back.name), owner)
  }

  private mutating func admit(_ admission: Admission, _ owner: ElementOwner) throws(KernelError) {
    if let chain = admission.adminChain {
      throw KernelError(
        "jump to chain \(chain) before admission of \(admission.address)", errno: .EOPNOTSUPP,
        reason: "the nftables backend has no such chain; want the iptables backend")
    }
    add(FamilySets(admission.address.family).admitted, [.address(admission.address)], .none, owner)
  }
}

extension NftablesPlan {
  mutating func guardSource(_ guarded: SourceGuard, _ owner: ElementOwner) throws(KernelError) {
    try NftSyntax.check(name: guarded.port.description)
    add(Layout.guarded, [.interface(guarded.port)], .jump(Table.bridge.anchor), owner)
    add(Layout.allowed, [.interface(guarded.port), .mac(guarded.mac)], .none, owner)
  }

  /// The first element keeps the table as long as its owner has rules.
  mutating func guardAddresses(_ guarded: AddressGuard, _ owner: ElementOwner) throws(KernelError) {
    try NftSyntax.check(name: guarded.port.description)
    add(Layout.frameOwners, [.hash(AttachmentID.shortHash(owner.comment))], .jump(Table.bridge.anchor), owner)
    add(Layout.addressed, [.interface(guarded.port)], .jump(Layout.sources), owner)
    for address in guarded.addresses {
      add(Layout.sources(address.family), [.interface(guarded.port), .address(address)], .none, owner)
    }
  }
}

extension NftablesPlan {
  /// Adds a chain for the address, looked up by it, and an element for the owner.
  mutating func serve(_ service: NameService, _ owner: ElementOwner) throws(KernelError) {
    try NftSyntax.check(name: service.bridge.description)
    let rules: [NftRule] = [
      [.otherTransport([.tcp, .udp]), .returnToCaller], [.port(NameService.port, isNot: true), .returnToCaller],
      [.link(.incoming, [service.bridge.description]), .accept], [.link(.incoming, ["lo"], isNot: true), .drop],
    ]
    let hash = AttachmentID.shortHash(([service.address.description] + rules.map { $0.text }).joined(separator: "\n"))
    let name = Layout.servicePrefix + hash
    let served = FamilySets(service.address.family).served
    chains.append(
      SharedChain(
        name: name, rules: rules,
        entryElements: [Element(set: served, key: [.address(service.address)], value: .jump(name), comment: name)]))
    add(Layout.servers, [.hash(AttachmentID.shortHash("\(owner.comment) \(service.address)"))], .jump(name), owner)
  }
}

/// A rule for a spare port: it leads to the port's chain if no lookup has matched before.
///
/// Several networks of a container may publish the same port, but a map has only one element for it; rules have an order.
struct SpareRule: Equatable {
  var matches: [Statement]
  /// The chain that only this rule and the owner's element lead to; also the rule's comment.
  var chain: String

  /// A change that appends the rule.
  var creation: RulesetChange {
    .addRule(.inet, Layout.spare, NftRule(matches + [.jump(chain), .comment(chain)]))
  }
}

extension NftablesPlan {
  /// Adds a spare port: a rule, its chain, and an element for the owner.
  mutating func publishSpare(_ port: PublishedPort, _ owner: ElementOwner) throws(KernelError) {
    if let chain = port.chain {
      throw KernelError(
        "publish \(port) in chain \(chain)", errno: .EOPNOTSUPP,
        reason: "another network of the container publishes it already; want one network, or no chain")
    }
    let sets = FamilySets(port.family)
    let key: [Field] = [
      .hash(AttachmentID.shortHash(owner.comment)), .address(port.hostIP ?? sets.anyAddress),
      .transport(port.transport),
      .port(port.hostPort),
    ]
    let own = try NftablesPlan.ownChain(port, key, owner)
    let bound = port.hostIP.map { Statement.address(.destination, $0) } ?? .family(sets.family)
    chains.append(own)
    spares.append(SpareRule(matches: [bound, .transport(port.transport), .port(port.hostPort)], chain: own.name))
    add(sets.spares, key, .jump(own.name), owner)
  }

  /// Changes that add the rules of spare ports; existing ones are deleted first, so that none is there twice.
  func spareAdditions(in socket: borrowing RulesetSocket) throws(KernelError) -> [RulesetChange] {
    try PresentRuleset.spareDeletions(Set(spares.map { $0.chain }), in: socket) + spares.map { $0.creation }
  }
}

extension PresentRuleset {
  /// Deletions of the spare ports' rules that lead to these chains; the cost grows with the number of spare ports.
  static func spareDeletions(
    _ chains: Set<String>, in socket: borrowing RulesetSocket
  ) throws(KernelError) -> [RulesetChange] {
    guard !chains.isEmpty else { return [] }
    return try socket.rules(of: Layout.spare, .inet).filter { chains.contains($0.comment) }.map {
      .deleteRule(.inet, Layout.spare, handle: $0.handle)
    }
  }

  /// Deletions of these elements, and of the rules of spare ports that lead to the same chains; the same transaction adds
  /// `added`.
  static func deletions(
    _ elements: [Element], adding added: [Element] = [], in socket: borrowing RulesetSocket
  ) throws(KernelError) -> [RulesetChange] {
    let chains = elements.compactMap { element in
      if case .jump(let chain) = element.value, element.set.isOfSpares { chain } else { nil }
    }
    let services = elements.compactMap { ServiceChains.chain(of: $0.set) }
    let deleted = Set(elements.map { $0.setAndKey })
    return try spareDeletions(Set(chains), in: socket) + elements.map { .deleteElement($0) }
      + socket.balancing(services, adding: added) { deleted.contains($0.setAndKey) }
  }
}

extension SetSpec {
  private static let spares = IPFamily.allCases.map { FamilySets($0).spares }

  /// Whether the set holds the owners' elements of spare ports.
  var isOfSpares: Bool { SetSpec.spares.contains(self) }
}
