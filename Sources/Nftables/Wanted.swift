import CNI
import Kernel
import NetTypes
import PacketFilter

/// What a claim needs: its own elements, shared chains, and rules for spare ports.
struct Wanted: Equatable {
  var elements: [Element] = []
  var chains: [SharedChain] = []
  var spares: [SpareRule] = []

  /// - Throws: EOPNOTSUPP or EINVAL with what nftables cannot do.
  init(_ claim: Claim) throws(KernelError) {
    try self.init(claim.rules, ElementOwner(claim.owner.filterTag, claim.part))
  }

  init(_ rules: [Rule], _ owner: ElementOwner) throws(KernelError) {
    try Words.check(name: owner.tag)
    var all = JoinedWants()
    for rule in rules { try all.add(Wanted(rule, owner)) }
    self = all.wanted
    // Source guards alone do not need the table `inet`.
    if elements.isEmpty || elements.contains(where: { $0.set.table == .inet }) {
      elements.append(Wanted.anchoring(owner))
    }
  }

  /// What one rule needs, without the owner's anchor element.
  init(_ rule: Rule, _ owner: ElementOwner) throws(KernelError) {
    var wanted = Wanted()
    switch rule {
    case .masquerade(let rule): wanted.masquerade(rule, owner)
    case .isolate(let rule): try wanted.isolate(rule, owner)
    case .link(let link): wanted.link(link, owner)
    case .guardSource(let guarded): try wanted.guardSource(guarded, owner)
    case .guardAddresses(let guarded): try wanted.guardAddresses(guarded, owner)
    case .guardTunnel(let tunnel): wanted.guardTunnel(tunnel, owner)
    case .publish(let port): try wanted.publish(port, owner)
    case .float(let floating): wanted.float(floating, owner)
    case .admit(let admission): try wanted.admit(admission, owner)
    case .serve(let service): try wanted.serve(service, owner)
    case .trust: break  // sources are in firewalld, not in a table
    case .pass: break  // no table can accept what another one drops
    }
    self = wanted
  }

  init() {}

  /// The element that keeps the table as long as its owner has rules.
  static func anchoring(_ owner: ElementOwner) -> Element {
    Element(
      set: Layout.owners, key: [.hash(Owner.shortHash(owner.comment))], value: .jump(Table.inet.anchor),
      comment: owner.comment)
  }

  /// The tables that the elements need.
  var tables: [Table] { Table.allCases.filter { table in elements.contains { $0.set.table == table } } }

  mutating func add(_ set: SetSpec, _ key: [Field], _ value: Element.Value, _ owner: ElementOwner) {
    elements.append(Element(set: set, key: key, value: value, comment: owner.comment))
  }

  /// A chain name from a hash of the rules, so that owners with the same rules share the chain.
  static func chainName(_ prefix: String, _ rules: [String]) -> String {
    prefix + Owner.shortHash(rules.joined(separator: "\n"))
  }
}

extension Wanted {
  private mutating func masquerade(_ rule: Masquerade, _ owner: ElementOwner) {
    let sets = FamilySets(rule.address.family)
    let rules = Wanted.stayingInside(rule.subnet.network) + ["masquerade" + (rule.isRandom ? " fully-random" : "")]
    let chain = SharedChain(name: Wanted.chainName("masq_", rules), rules: rules)
    chains.append(chain)
    add(sets.masquerade, [.address(rule.address)], .jump(chain.name), owner)
  }

  /// Rules for packets to the subnet itself or to multicast addresses, which keep their source.
  static func stayingInside(_ subnet: IPPrefix) -> [String] {
    let word = FamilySets(subnet.family).word
    return [
      "\(word) daddr \(subnet) return", "\(word) daddr \(subnet.family == .v4 ? "224.0.0.0/4" : "ff00::/8") return",
    ]
  }

  private mutating func link(_ link: ContainerLink, _ owner: ElementOwner) {
    add(
      FamilySets(link.from.family).links,
      [.address(link.from), .address(link.to), .transport(link.transport), .port(link.port)], .none, owner)
  }

  private mutating func float(_ floating: FloatingAddress, _ owner: ElementOwner) {
    let sets = FamilySets(floating.target.family)
    let subnet = floating.subnet.network
    let rules = Wanted.stayingInside(subnet) + ["snat \(sets.word) to \(sets.word) saddr map @\(sets.external.name)"]
    let leaving = SharedChain(name: Wanted.chainName("float_", rules), rules: rules)
    let back = Wanted.returning(from: subnet)
    chains += [leaving, back]
    add(sets.floating, [.address(floating.external)], .fields([.address(floating.target)]), owner)
    add(sets.external, [.address(floating.target)], .fields([.address(floating.external)]), owner)
    add(sets.leavingFloat, [.address(floating.target)], .jump(leaving.name), owner)
    add(sets.neighbours, [.address(floating.target)], .jump(back.name), owner)
  }

  private mutating func admit(_ admission: Admission, _ owner: ElementOwner) throws(KernelError) {
    if let chain = admission.adminChain {
      throw KernelError(
        "ask chain \(chain) before admission of \(admission.address)", errno: .EOPNOTSUPP,
        reason: "the nftables backend knows no such chain; want the iptables backend")
    }
    add(FamilySets(admission.address.family).admitted, [.address(admission.address)], .none, owner)
  }
}
