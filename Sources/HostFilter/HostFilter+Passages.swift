import Iptables
import Kernel
import Linux
public import NetTypes
public import PacketFilter

extension HostFilter {
  /// Adds the rule set's rules and its passages in the host's own chains.
  mutating func addRules(_ ruleSet: RuleSet) throws(KernelError) {
    try addRules(ruleSet) { (backend, ruleSet) throws(KernelError) in try backend.add(ruleSet) }
  }

  /// Replaces what is left of the rule set, so that rules shared with other owners are present at any time.
  mutating func replaceRules(_ ruleSet: RuleSet) throws(KernelError) {
    if ruleSet.backend == .nftables { try iptables.remove(ruleSet.owner.filterTag, ruleSet.role, recordedRules: nil) }
    try addRules(ruleSet) { (backend, ruleSet) throws(KernelError) in try backend.replace(nil, with: ruleSet) }
  }

  private mutating func addRules(
    _ ruleSet: RuleSet, by add: (any FilterBackend, RuleSet) throws(KernelError) -> Void
  ) throws(KernelError) {
    guard ruleSet.backend == .nftables else {
      var ruleSet = ruleSet
      ruleSet.rules += ruleSet.passages
      return try add(iptables, ruleSet)
    }
    try expectPeers(of: ruleSet)
    try add(nftables, ruleSet)
    do throws(KernelError) {
      try addPeers(of: ruleSet)
      if let passages = ruleSet.onlyPassages { try iptables.add(passages) }
    } catch {
      // The first error is thrown.
      try? nftables.remove(ruleSet.owner.filterTag, ruleSet.role, recordedRules: ruleSet.rules)
      throw error
    }
  }

  /// The shell lines of what `add` makes: sources of firewalld's zones, rules, and passages through the host's chains.
  public mutating func commands(adding ruleSet: RuleSet) throws(KernelError) -> [String] {
    let sources = ruleSet.sources.flatMap { source in
      ["firewall-cmd --permanent", "firewall-cmd"].map { "\($0) --zone=\(source.zone) --add-source=\(source.text)" }
    }
    guard !ruleSet.isForZonesOnly else { return sources }
    var ruleSet = ruleSet.withoutSources
    ruleSet.backend = try backend(ruleSet.backend)
    guard ruleSet.backend == .nftables else {
      ruleSet.rules += ruleSet.passages
      return sources + (try iptables.commands(adding: ruleSet))
    }
    let rules = try nftables.commands(adding: ruleSet) + proxyCommands(ruleSet)
    guard let passages = ruleSet.onlyPassages else { return sources + rules }
    return sources + rules + (try iptables.commands(adding: passages))
  }

  mutating func removeRules(_ ruleSet: RuleSet) throws(KernelError) {
    let tag = ruleSet.owner.filterTag
    guard (ruleSet.backend ?? .nftables) == .nftables else {
      return try iptables.remove(tag, ruleSet.role, recordedRules: ruleSet.rules + ruleSet.passages)
    }
    if let passages = ruleSet.onlyPassages { try iptables.remove(tag, ruleSet.role, recordedRules: passages.rules) }
    try nftables.remove(tag, ruleSet.role, recordedRules: ruleSet.rules)
  }

  mutating func missingRules(_ ruleSet: RuleSet, in backend: Backend) throws(KernelError) -> [Rule] {
    guard backend == .nftables else {
      var ruleSet = ruleSet
      ruleSet.backend = .iptables
      ruleSet.rules += ruleSet.passages
      return try iptables.missing(from: ruleSet)
    }
    var ruleSet = ruleSet
    ruleSet.backend = .nftables
    let passages = try ruleSet.onlyPassages.map { (passages) throws(KernelError) in try iptables.missing(from: passages)
    }
    let missing = try nftables.missing(from: ruleSet) + (passages ?? []) + policiesWithoutPeers(ruleSet)
    return try missing + missingFromProxies(ruleSet).filter { !missing.contains($0) }
  }
}

extension HostFilter {
  public mutating func drops(for ruleSet: RuleSet) throws(KernelError) -> [String] {
    guard !ruleSet.forwardedConnections.isEmpty else { return [] }
    var ruleSet = ruleSet
    let recorded = try self.ruleSet(of: ruleSet.owner, ruleSet.role)
    ruleSet.backend = if let backend = recorded?.backend { backend } else { try backend(ruleSet.backend) }
    ruleSet.rules += ruleSet.passages
    return try iptables.drops(for: ruleSet)
  }

  public mutating func drop(ofEvery kind: Passage.Kind) throws(KernelError) -> String? {
    // If the host drops one family only, networks of the other family can still work.
    var first: String?
    for family in IPFamily.ofKernel {
      guard let drop = try iptables.dropsByOtherTables([ForwardedConnection(kind, family)]).first else { return nil }
      first = first ?? drop
    }
    return first.map { "\($0); want a rule that accepts these packets" }
  }

  /// Writes to standard error which host rules drop connections of a rule set that was added.
  func warn(of ruleSet: RuleSet) {
    guard let drops = try? iptables.dropsByOtherTables(ruleSet.forwardedConnections) else { return }
    for drop in drops { note(drop) }
  }
}

extension RuleSet {
  /// The passages in the host's own chains, for a rule set with rules in our own tables; `nil`: none.
  fileprivate var onlyPassages: RuleSet? {
    var ruleSet = self
    ruleSet.rules = passages
    return ruleSet.rules.isEmpty ? nil : ruleSet
  }
}
