import CNI
import Linux
public import NetTypes
import PacketFilter

/// The rule set's sources in firewalld's zones, in addition to its rules in tables.
extension HostFilter {
  public func firewalldUnavailableReason() -> KernelError? { zones.unavailableReason() }

  /// Adds the sources first: an error of firewalld then leaves the tables unchanged.
  mutating func addRulesAndSources(_ ruleSet: RuleSet) throws(KernelError) {
    do throws(KernelError) {
      try addSources(ruleSet.sources, for: ruleSet.owner)
      if !ruleSet.isForZonesOnly { try addRules(ruleSet.withoutSources) }
    } catch {
      try? removeSources(ruleSet.sources, of: ruleSet.owner)  // report the first error
      throw error
    }
  }

  mutating func removeRulesAndSources(_ ruleSet: RuleSet) throws(KernelError) {
    if !ruleSet.isForZonesOnly { try removeRules(ruleSet.withoutSources) }
    try removeSources(ruleSet.sources, of: ruleSet.owner)
  }

  mutating func missingRulesAndSources(_ ruleSet: RuleSet, in backend: Backend?) throws(KernelError) -> [Rule] {
    let missingSources = ruleSet.sources.isEmpty ? [] : try zones.missingSources(of: ruleSet.sources).map(Rule.trust)
    guard !ruleSet.isForZonesOnly else { return missingSources }
    let backend = if let backend { backend } else { try self.backend(ruleSet.backend) }
    return missingSources + (try missingRules(ruleSet.withoutSources, in: backend))
  }

  /// Restores the missing rules of a rule set; returns whether any were missing.
  mutating func restore(_ recorded: RuleSet) throws(KernelError) -> Bool {
    // If firewalld does not run, it drops nothing, and its permanent configuration has the sources.
    let ruleSet = recorded.sources.isEmpty || zones.unavailableReason() == nil ? recorded : recorded.withoutSources
    guard ruleSet.backend != nil || ruleSet.isForZonesOnly else { return false }
    let missing = try missingRulesAndSources(ruleSet, in: ruleSet.backend)
    guard !missing.isEmpty else { return false }
    try addSources(ruleSet.sources, for: ruleSet.owner)
    guard ruleSet.backend != nil, !missing.allSatisfy({ $0.isForZones }) else { return true }
    try replaceRules(ruleSet.withoutSources)
    try enableRouteLocalnet(for: ruleSet)
    return true
  }

  /// Removes sources that the reference plugin added, unless one of our attachments has the address now.
  func removeReferenceSources(_ sources: [ZoneSource]) throws(KernelError) {
    guard !sources.isEmpty, zones.unavailableReason() == nil else { return }
    let lock = try lockZones()
    var unrecorded: [ZoneSource] = []
    for source in sources where try sourceRecords.tag(of: source) == nil { unrecorded.append(source) }
    _ = try zones.removeSources(unrecorded)
    _ = consume lock
  }

  /// Removes sources of containers that no longer exist from firewalld's permanent configuration.
  func sweepZones() throws(KernelError) {
    guard try sourceRecords.hasStale, zones.unavailableReason() == nil else { return }
    let lock = try lockZones()
    try sourceRecords.sweep { (stale) throws(KernelError) in try zones.removeSources(stale) }
    _ = consume lock
  }

  private func addSources(_ sources: [ZoneSource], for owner: AttachmentID) throws(KernelError) {
    guard !sources.isEmpty else { return }
    try? sweepZones()  // the next ADD or GC tries again
    let lock = try lockZones()
    try sourceRecords.add(sources, for: owner.filterTag)
    try zones.addSources(sources)
    _ = consume lock
  }

  /// Removes the sources, except those whose address another attachment has now.
  private func removeSources(_ sources: [ZoneSource], of owner: AttachmentID) throws(KernelError) {
    guard !sources.isEmpty else { return }
    let lock = try lockZones()
    var own: [ZoneSource] = []
    for source in sources where try sourceRecords.tag(of: source) ?? owner.filterTag == owner.filterTag {
      own.append(source)
    }
    // If firewalld does not run, the next ADD or GC that finds it running removes them.
    let kept = zones.unavailableReason() == nil ? try zones.removeSources(own) : own
    try sourceRecords.markStale(kept)
    try sourceRecords.remove(own)
    _ = consume lock
  }

  private func lockZones() throws(KernelError) -> FileLock {
    try Files.makeDirectories(state, mode: 0o700)
    let path = "\(state)/zones.lock"
    return try FileLock(.open(path, for: .updating), seconds: 30, doing: "lock \(path)")
  }
}

extension Rule {
  fileprivate var isForZones: Bool { if case .trust = self { true } else { false } }
}
