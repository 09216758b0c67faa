import CNI
import Kernel
import NetTypes
import PacketFilter

/// A rule for a spare port: it leads to the port's chain if no lookup has matched before.
///
/// Several networks of a container may publish the same port, but a map has only one element for it; rules have an order.
struct SpareRule: Equatable {
  var matches: String
  /// The chain that only this rule and the owner's element lead to; also the rule's comment.
  var chain: String

  /// A command that appends the rule.
  var creation: String {
    "add rule \(Table.inet.name) \(Layout.spare) \(matches) jump \(chain) comment \"\(chain)\""
  }
}

extension Wanted {
  /// Adds a spare port: a rule, its chain, and an element for the owner.
  mutating func publishSpare(_ port: PublishedPort, _ owner: ElementOwner) throws(KernelError) {
    if let chain = port.chain {
      throw KernelError(
        "publish \(port) in chain \(chain)", errno: .EOPNOTSUPP,
        reason: "another network of the container publishes it already; want one network, or no chain")
    }
    let sets = FamilySets(port.family)
    let key: [Field] = [
      .hash(Owner.shortHash(owner.comment)), .address(port.hostIP ?? sets.anyAddress), .transport(port.transport),
      .port(port.hostPort),
    ]
    let own = try Wanted.ownChain(port, key, owner)
    let bound = port.hostIP.map { "\(sets.word) daddr \($0) " } ?? "meta nfproto \(sets.nfproto) "
    chains.append(own)
    spares.append(
      SpareRule(matches: bound + "meta l4proto \(port.transport) th dport \(port.hostPort)", chain: own.name))
    add(sets.spares, key, .jump(own.name), owner)
  }

  /// Commands that add the rules of spare ports; existing ones are deleted first, so that none is there twice.
  func spareAdditions(in socket: borrowing RulesetSocket) throws(KernelError) -> [String] {
    try Found.spareDeletions(Set(spares.map(\.chain)), in: socket) + spares.map(\.creation)
  }
}

extension Found {
  /// Deletions of the spare ports' rules that lead to these chains; the cost grows with the number of spare ports.
  static func spareDeletions(
    _ chains: Set<String>, in socket: borrowing RulesetSocket
  ) throws(KernelError) -> [String] {
    guard !chains.isEmpty else { return [] }
    return try socket.rules(of: Layout.spare, .inet).filter { chains.contains($0.comment) }.map {
      "delete rule \(Table.inet.name) \(Layout.spare) handle \($0.handle)"
    }
  }

  /// Deletions of these elements, and of the rules of spare ports that lead to the same chains.
  static func deletions(_ elements: [Element], in socket: borrowing RulesetSocket) throws(KernelError) -> [String] {
    let chains = elements.compactMap { element in
      if case .jump(let chain) = element.value, element.set.isOfSpares { chain } else { nil }
    }
    return try spareDeletions(Set(chains), in: socket) + elements.map(\.deletion)
  }
}

extension SetSpec {
  private static let spares = IPFamily.allCases.map { FamilySets($0).spares }

  /// Whether the set holds the owners' elements of spare ports.
  var isOfSpares: Bool { SetSpec.spares.contains(self) }
}
