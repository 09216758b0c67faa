public import NetTypes
public import PacketFilter

extension IptablesBackend {
  /// Replaces the rules table by table, each table in one commit; the table with the loopback guard is the first one.
  public mutating func replace(_ old: Claim?, with claim: Claim) throws(KernelError) {
    let plan = try Plan.of(claim.withoutPassages, families: IPFamily.ofKernel)
    let chosen = claim.withoutPassages.rules.isEmpty ? nil : try flavour(for: plan)
    guard let chosen else {
      try remove(claim.owner.filterTag, claim.part, known: old?.rules)
      return try add(claim)
    }
    let tables = tables(chosen)
    let passing = try Plan.of(claim.onlyPassages, families: IPFamily.ofKernel)
    let whole = plan.joined(with: passing.limited(to: try tables.forwarding(passing.tables)))
    try replace(with: whole, claim, tables)
    for flavour in flavours where flavour != chosen {
      let tables = self.tables(flavour)
      try remove(claim.owner.filterTag, claim.part, known: old?.rules, tables)
      let passing = passing.limited(to: try tables.forwarding(passing.tables))
      if !passing.pieces.isEmpty { try make(passing, claim, tables) }
    }
  }

  private func replace(with plan: Plan, _ claim: Claim, _ tables: Tables) throws(KernelError) {
    let mark = Layout.mark(plan.tag, plan.part)
    let present = try tables.present(TableName.all)
    let names = TableName.all.filter { present.contains($0) || plan.pieces[$0] != nil }
    let guardFirst = names.filter { $0 == .loopbackGuard } + names.filter { $0 != .loopbackGuard }
    try tables.change(guardFirst) { (table) throws(KernelError) in
      try table.remove(mark: mark)
      try make(plan, in: &table, for: claim)
    }
  }
}
