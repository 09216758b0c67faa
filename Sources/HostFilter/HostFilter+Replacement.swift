public import NetTypes
public import PacketFilter

extension HostFilter {
  /// Replaces the rules, then the claim file, which is absent in between; changes nothing if the rules are equal.
  ///
  /// If the process is killed in between, the next call finds no file and removes all rules with that owner's tag. A file
  /// that listed too few rules would leave the others in place: for instance, a removed peer would still be accepted.
  public mutating func set(_ claim: Claim) throws(KernelError) {
    let old = try rememberedClaim(of: claim.owner, claim.part)
    var claim = claim
    claim.backend = try backend(claim.backend)
    guard claim.isReplaceable, old?.isReplaceable ?? true else { return try add(claim) }
    if old == claim, try nftables.missing(from: claim).isEmpty { return }
    try memory.forget(claim.owner, claim.part)
    do throws(KernelError) {
      try nftables.replace(old, with: claim)
      try memory.remember(claim)
    } catch {
      putBack(old, insteadOf: claim)
      throw error
    }
  }

  /// Restores the old rules as far as possible; the caller reports the first error.
  private mutating func putBack(_ old: Claim?, insteadOf claim: Claim) {
    guard let old else {
      try? nftables.remove(claim.owner.filterTag, claim.part, known: nil)
      return
    }
    do throws(KernelError) {
      try nftables.replace(nil, with: old)
      try memory.remember(old)
    } catch {}
  }
}

extension Claim {
  /// Whether all its rules are in our own nf_tables tables, which one transaction can change.
  fileprivate var isReplaceable: Bool { backend == .nftables && passages.isEmpty }
}
