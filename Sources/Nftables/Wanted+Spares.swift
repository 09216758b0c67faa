import CNI
import Kernel
import NetTypes
import PacketFilter

/// A rule that leads to a port's chain where no lookup did.
///
/// Several networks of a container may want one port, and a map has one element for it; rules have an order instead.
struct SpareRule: Equatable {
  var matches: String
  /// The chain it leads to, which nothing else leads to; the rule's comment too.
  var chain: String

  /// Behind those that are there.
  var creation: String {
    "add rule \(Table.inet.name) \(Layout.spare) \(matches) jump \(chain) comment \"\(chain)\""
  }
}

extension Wanted {
  /// A port that leads here only where it leads nowhere else: a rule, its chain, and an element that tells whose it is.
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

  /// Spare ports have rules, which would be there twice if they were there already.
  func spareAdditions(in socket: borrowing RulesetSocket) throws(KernelError) -> [String] {
    try Found.spareDeletions(Set(spares.map(\.chain)), in: socket) + spares.map(\.creation)
  }
}

extension Found {
  /// Deletions of the rules that lead to these chains as spare ports; costs more the more spare ports there are.
  static func spareDeletions(
    _ chains: Set<String>, in socket: borrowing RulesetSocket
  ) throws(KernelError) -> [String] {
    guard !chains.isEmpty else { return [] }
    return try socket.rules(of: Layout.spare, .inet).filter { chains.contains($0.comment) }.map {
      "delete rule \(Table.inet.name) \(Layout.spare) handle \($0.handle)"
    }
  }

  /// Deletions of elements, and of the rules that lead where those of spare ports do.
  static func deletions(_ elements: [Element], in socket: borrowing RulesetSocket) throws(KernelError) -> [String] {
    let chains = elements.compactMap { element in
      if case .jump(let chain) = element.value, element.set.isOfSpares { chain } else { nil }
    }
    return try spareDeletions(Set(chains), in: socket) + elements.map(\.deletion)
  }
}

extension SetSpec {
  private static let spares = IPFamily.allCases.map { FamilySets($0).spares }

  /// Whether its elements tell of spare ports.
  var isOfSpares: Bool { SetSpec.spares.contains(self) }
}
