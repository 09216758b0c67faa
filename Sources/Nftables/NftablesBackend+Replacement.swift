public import NetTypes
public import PacketFilter

extension NftablesBackend {
  /// Replaces the rules in one nf_tables transaction: each packet is matched by the old ones or by the new ones.
  public mutating func replace(_ old: Claim?, with claim: Claim) throws(KernelError) {
    let owner = ElementOwner(claim.owner.filterTag, claim.part)
    let wanted = try Wanted(claim)
    var nft = try context()
    let socket = try RulesetSocket.open()
    var before = try completeRules(of: old)
    for _ in 0..<NftablesBackend.tries {
      do throws(KernelError) {
        let found = before == nil ? try Found.elements(in: socket) { $0 == owner.comment } : []
        let commands =
          if let before { wanted.changes(from: before) } else {
            try Found.deletions(found, in: socket) + wanted.completeAdditions(in: socket)
          }
        try nft.run(commands, doing: "replace rules of \(claim.owner.filterTag)")
        guard let before else { return found.isEmpty ? () : try nft.sweep(socket) }
        return try nft.clear(before.unshared(with: wanted), socket)
      } catch {
        let isConflict = [
          .ENOENT, .EEXIST, .EBUSY, .EAGAIN,
        ].contains(error.errno)
        guard isConflict || Complaint.isUnanswered(error) else { throw error }
        if Complaint.isUnanswered(error) { nft = try context() }
        before = nil
      }
    }
    throw KernelError(
      "replace rules of \(claim.owner.filterTag)", errno: .EAGAIN, reason: "the ruleset keeps changing")
  }

  /// What was added for a claim; `nil` if any of it is missing, or if its rules have an order (spare ports).
  private mutating func completeRules(of claim: Claim?) throws(KernelError) -> Wanted? {
    guard let claim, try missing(from: claim).isEmpty else { return nil }
    let wanted = try Wanted(claim)
    return wanted.spares.isEmpty ? wanted : nil
  }
}

extension Wanted {
  /// The commands that turn `before`, if all of it is present, into these rules.
  fileprivate func changes(from before: Wanted) -> [String] {
    let old = before.elementsByKey, new = elementsByKey, oldChains = Set(before.chains.map(\.name))
    let removed = before.elements.filter { new[$0.setAndKey] != $0 }
    let added = elements.filter { old[$0.setAndKey] != $0 }
    return removed.map(\.deletion) + chains.filter { !oldChains.contains($0.name) }.flatMap(\.declaration)
      + added.map(\.creation)
  }

  /// The chains that `other` does not use, without elements.
  fileprivate func unshared(with other: Wanted) -> Wanted {
    let names = Set(other.chains.map(\.name))
    var rest = self
    rest.elements = []
    rest.chains.removeAll { names.contains($0.name) }
    return rest
  }

  private var elementsByKey: [[UInt8]: Element] {
    Dictionary(elements.map { ($0.setAndKey, $0) }) { first, _ in first }
  }
}

extension Element {
  /// Identifies the element among those of all sets.
  fileprivate var setAndKey: [UInt8] { Array(set.place.utf8) + [0] + key.bytes }
}
