import Iptables
import Kernel
import Linux
public import NetTypes
public import PacketFilter

extension HostFilter {
  /// Adds the claim's rules and its passages in the host's own chains.
  mutating func make(_ claim: Claim) throws(KernelError) {
    try make(claim) { (backend, claim) throws(KernelError) in try backend.add(claim) }
  }

  /// Replaces what is left of the claim, so that rules shared with other owners are present at any time.
  mutating func remake(_ claim: Claim) throws(KernelError) {
    if claim.backend == .nftables { try iptables.remove(claim.owner.filterTag, claim.part, known: nil) }
    try make(claim) { (backend, claim) throws(KernelError) in try backend.replace(nil, with: claim) }
  }

  private mutating func make(
    _ claim: Claim, by add: (inout any FilterBackend, Claim) throws(KernelError) -> Void
  ) throws(KernelError) {
    guard claim.backend == .nftables else {
      var claim = claim
      claim.rules += claim.passages
      return try add(&iptables, claim)
    }
    try add(&nftables, claim)
    guard let passing = claim.onlyPassages else { return }
    do throws(KernelError) {
      try iptables.add(passing)
    } catch {
      try? nftables.remove(claim.owner.filterTag, claim.part, known: claim.rules)  // report the first error
      throw error
    }
  }

  /// The shell lines of what `add` makes: sources of firewalld's zones, rules, and passages through the host's chains.
  public mutating func commands(adding claim: Claim) throws(KernelError) -> [String] {
    let sources = claim.sources.flatMap { source in
      ["firewall-cmd --permanent", "firewall-cmd"].map { "\($0) --zone=\(source.zone) --add-source=\(source.text)" }
    }
    guard !claim.isForZonesOnly else { return sources }
    var claim = claim.withoutSources
    claim.backend = try backend(claim.backend)
    guard claim.backend == .nftables else {
      claim.rules += claim.passages
      return sources + (try iptables.commands(adding: claim))
    }
    let rules = try nftables.commands(adding: claim)
    guard let passing = claim.onlyPassages else { return sources + rules }
    return sources + rules + (try iptables.commands(adding: passing))
  }

  mutating func unmake(_ claim: Claim) throws(KernelError) {
    let tag = claim.owner.filterTag
    guard (claim.backend ?? .nftables) == .nftables else {
      return try iptables.remove(tag, claim.part, known: claim.rules + claim.passages)
    }
    if let passing = claim.onlyPassages { try iptables.remove(tag, claim.part, known: passing.rules) }
    try nftables.remove(tag, claim.part, known: claim.rules)
  }

  mutating func lacking(_ claim: Claim, in backend: Backend) throws(KernelError) -> [Rule] {
    guard backend == .nftables else {
      var claim = claim
      claim.backend = .iptables
      claim.rules += claim.passages
      return try iptables.missing(from: claim)
    }
    var claim = claim
    claim.backend = .nftables
    let passages = try claim.onlyPassages.map { (passing) throws(KernelError) in try iptables.missing(from: passing) }
    return try nftables.missing(from: claim) + (passages ?? [])
  }
}

extension HostFilter {
  public mutating func drops(for claim: Claim) throws(KernelError) -> [String] {
    guard !claim.forwardedConnections.isEmpty else { return [] }
    var claim = claim
    let remembered = try self.claim(of: claim.owner, claim.part)
    claim.backend = if let backend = remembered?.backend { backend } else { try backend(claim.backend) }
    claim.rules += claim.passages
    return try iptables.drops(for: claim)
  }

  public mutating func drop(ofEvery kind: Passage.Kind) throws(KernelError) -> String? {
    // If the host drops one family only, networks of the other family can still work.
    var first: String?
    for family in IPFamily.ofKernel {
      guard let drop = try iptables.dropsByOtherTables([ForwardedConnection(kind, family)]).first else { return nil }
      first = first ?? drop
    }
    return first.map { "\($0); want a rule there that accepts them" }
  }

  /// Writes to standard error which host rules drop connections of a claim that was added.
  func warn(of claim: Claim) {
    guard let drops = try? iptables.dropsByOtherTables(claim.forwardedConnections) else { return }
    for drop in drops { note(drop) }
  }
}

extension Claim {
  /// The passages in the host's own chains, for a claim with rules in our own tables; `nil`: none.
  fileprivate var onlyPassages: Claim? {
    var claim = self
    claim.rules = passages
    return claim.rules.isEmpty ? nil : claim
  }
}
