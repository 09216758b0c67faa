import NetTypes
import PacketFilter

/// The differences between the packet filter and a claim's rules; `setRules` also compares the recorded rules.
func differences<K: Kernel & ~Copyable>(
  from claim: Claim, by change: Change, on kernel: inout K
) throws(KernelError) -> [String] {
  var added: [Rule]? = claim.rules
  if case .setRules = change { added = try kernel.filter.claim(of: claim.owner, claim.part)?.rules }
  let missing = added == claim.rules ? try kernel.filter.missing(from: claim) : claim.rules
  return try missing.map { "packet filter: \($0) is missing" }
    + kernel.filter.drops(for: claim).map { "packet filter: \($0)" }
}
