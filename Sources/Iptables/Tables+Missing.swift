import NetTypes
import PacketFilter

extension Tables {
  /// The claim's rules that are not in these tables as they were added.
  func missing(from claim: Claim) throws(KernelError) -> [Rule] {
    guard !claim.rules.isEmpty else { return [] }
    var plans: [(Rule, Plan)] = []
    for rule in claim.rules {
      var one = claim
      one.rules = [rule]
      plans.append((rule, try Plan.of(one, families: IPFamily.ofKernel)))
    }
    let names = TableName.all.filter { name in plans.contains { $0.1.pieces[name] != nil } }
    var contents: [TableName: TableContents] = [:]
    for name in try present(names) {
      let table = try take(name)
      contents[name] = TableContents(table, for: plans.flatMap { $0.1.pieces[name] ?? [] })
    }
    return plans.filter { _, plan in
      plan.pieces.contains { name, pieces in
        guard let there = contents[name] else { return true }
        return pieces.contains { !there.has($0) }
      }
    }.map(\.0)
  }

  /// Whether these tables have the host's own chains that the plan jumps to; false if it jumps to none.
  func hasChains(of plan: Plan) throws(KernelError) -> Bool {
    let wanted = plan.pieces.mapValues { $0.compactMap(\.foreignChain) }.filter { !$0.value.isEmpty }
    guard !wanted.isEmpty else { return false }
    for name in try present(Array(wanted.keys)) {
      let table = try take(name)
      let there = Set(table.chains)
      if wanted[name]?.contains(where: there.contains) == true { return true }
    }
    return false
  }
}

extension Piece {
  /// The host's own chain that this rule needs.
  fileprivate var foreignChain: String? {
    switch self {
    case .existing(let chain): chain
    case .foreign(let foreign): foreign.chain
    case .chain, .filled, .shared, .owned: nil
    }
  }
}
