import NetTypes

extension RulesetSocket {
  /// Removes the chains, parts and tables that only those rules used; what the rules of `kept` use stays.
  borrowing func clear(_ plan: NftablesPlan, keeping kept: NftablesPlan = NftablesPlan()) throws(KernelError) {
    // Chains and removable parts are in the table `inet` only.
    var isCleared = false
    for table in plan.tables where try uses(of: table.anchor, table) == Layout.idleUses(table) {
      if try clear(Layout.deletion(table)), table == .inet { isCleared = true }
    }
    guard !isCleared else { return }
    var parts = plan.parts.filter { !$0.isBase && !kept.parts.contains($0) }
    let used = try clear(plan.chains, keeping: Set(kept.chains.map { $0.name }))
    let usedParts = Set(plan.elements.filter { $0.leads(toOneOf: used) }.map { $0.set.part })
    parts.removeAll { usedParts.contains($0) }
    for part in parts { try clear(part, lookingFirstAt: plan.sets(of: part)) }
  }

  /// Removes every shared chain, part and table without owners, and what earlier versions leave of tunnels.
  borrowing func sweep() throws(KernelError) {
    for table in Table.allCases where try uses(of: table.anchor, table) == Layout.idleUses(table) {
      try clear(Layout.deletion(table))
    }
    for changes in try PresentRuleset.unusedChainDeletions(in: self) { try clear(changes) }
    for changes in try PresentRuleset.strayHostDeletions(in: self) { try clear(changes) }
    for part in Layout.Part.allCases where !part.isBase { try clear(part) }
  }

  /// Removes those of the chains that no owner's element leads to; returns the names of the others.
  private borrowing func clear(_ chains: [SharedChain], keeping kept: Set<String>) throws(KernelError) -> Set<String> {
    var idle: [SharedChain] = []
    var used: Set<String> = []
    for chain in chains {
      guard let uses = try uses(of: chain.name, .inet) else { continue }
      if uses == chain.idleUses, !kept.contains(chain.name) { idle.append(chain) } else { used.insert(chain.name) }
    }
    do throws(KernelError) {
      // The rules of later chains look up sets of earlier ones.
      if !idle.isEmpty { try carryOut(idle.reversed().flatMap { $0.deletion }, doing: "remove unused chains and sets") }
    } catch  where error.errno.isOne(of: .EBUSY, .ENOENT) {
      for chain in idle.reversed() { try clear(chain.deletion) }
    }
    return used
  }

  /// Removes the part if its sets have no elements; those of `sets` are looked at first.
  ///
  /// The kernel takes far longer to refuse a transaction than to answer. It still refuses (EBUSY) if another process has
  /// added an element in the meantime.
  private borrowing func clear(_ part: Layout.Part, lookingFirstAt sets: [SetSpec] = []) throws(KernelError) {
    guard try PresentRuleset.has(part, in: self) else { return }
    let others = part.sets.filter { !sets.contains($0) }
    guard try !RulesetSocket.hasElements(sets + others) else { return }
    try clear(part.deletion)
  }

  /// Runs deletions; ignores EBUSY (another process needs the object again) and ENOENT (it removed the object itself).
  ///
  /// - Returns: whether they were made.
  /// - Throws: any other error.
  @discardableResult
  private borrowing func clear(_ changes: [RulesetChange]) throws(KernelError) -> Bool {
    do throws(KernelError) {
      try carryOut(changes, doing: "remove unused chains and sets")
      return true
    } catch  where error.errno.isOne(of: .EBUSY, .ENOENT) { return false }
  }
}

extension RulesetSocket {
  /// Whether one of the sets has an element.
  ///
  /// Reads only the first part of a dump. The rest stays in a socket of its own, which is not used again.
  private static func hasElements(_ sets: [SetSpec]) throws(KernelError) -> Bool {
    let socket = try open()
    for set in sets where try socket.hasElements(set) { return true }
    return false
  }

  private borrowing func hasElements(_ set: SetSpec) throws(KernelError) -> Bool {
    try ask(RulesetMessages.elements(of: set), doing: "look for elements in \(set.name)") {
      !RulesetMessages.listedElements($0).isEmpty
    }.contains { !RulesetMessages.listedElements($0).isEmpty }
  }
}

extension NftablesPlan {
  /// The sets of the part that have elements of the plan.
  fileprivate func sets(of part: Layout.Part) -> [SetSpec] {
    part.sets.filter { set in elements.contains { $0.set == set } }
  }
}

extension Element {
  fileprivate func leads(toOneOf chains: Set<String>) -> Bool {
    if case .jump(let chain) = value { chains.contains(chain) } else { false }
  }
}
