import CNI
import Linux
public import NetTypes
import PacketFilter

/// The rule set's sources in firewalld's zones, in addition to its rules in tables.
extension HostFilter {
  public func zonesAbsence() -> KernelError? { zones.absence() }

  /// Adds the sources first: an error of firewalld then leaves the tables unchanged.
  mutating func makeAll(_ ruleSet: RuleSet) throws(KernelError) {
    do throws(KernelError) {
      try bind(ruleSet.sources, for: ruleSet.owner)
      if !ruleSet.isForZonesOnly { try make(ruleSet.withoutSources) }
    } catch {
      try? release(ruleSet.sources, of: ruleSet.owner)  // report the first error
      throw error
    }
  }

  mutating func unmakeAll(_ ruleSet: RuleSet) throws(KernelError) {
    if !ruleSet.isForZonesOnly { try unmake(ruleSet.withoutSources) }
    try release(ruleSet.sources, of: ruleSet.owner)
  }

  mutating func lackingAll(_ ruleSet: RuleSet, in backend: Backend?) throws(KernelError) -> [Rule] {
    let unbound = ruleSet.sources.isEmpty ? [] : try zones.unbound(of: ruleSet.sources).map(Rule.trust)
    guard !ruleSet.isForZonesOnly else { return unbound }
    let backend = if let backend { backend } else { try self.backend(ruleSet.backend) }
    return unbound + (try lacking(ruleSet.withoutSources, in: backend))
  }

  /// Restores the missing rules of a rule set; returns whether any were missing.
  mutating func restore(_ remembered: RuleSet) throws(KernelError) -> Bool {
    // If firewalld does not run, it drops nothing, and its permanent configuration has the sources.
    let ruleSet = remembered.sources.isEmpty || zones.absence() == nil ? remembered : remembered.withoutSources
    guard ruleSet.backend != nil || ruleSet.isForZonesOnly else { return false }
    let missing = try lackingAll(ruleSet, in: ruleSet.backend)
    guard !missing.isEmpty else { return false }
    try bind(ruleSet.sources, for: ruleSet.owner)
    guard ruleSet.backend != nil, !missing.allSatisfy(\.isForZones) else { return true }
    try remake(ruleSet.withoutSources)
    try enableRouteLocalnet(for: ruleSet)
    return true
  }

  /// Removes sources that the reference plugin added, unless one of our attachments has the address now.
  func releaseReference(_ sources: [ZoneSource]) throws(KernelError) {
    guard !sources.isEmpty, zones.absence() == nil else { return }
    let lock = try lockZones()
    var unrecorded: [ZoneSource] = []
    for source in sources where try records.tag(of: source) == nil { unrecorded.append(source) }
    _ = try zones.release(unrecorded)
    _ = consume lock
  }

  /// Removes sources of containers that no longer exist from firewalld's permanent configuration.
  func sweepZones() throws(KernelError) {
    guard try records.hasStale, zones.absence() == nil else { return }
    let lock = try lockZones()
    try records.sweep { (stale) throws(KernelError) in try zones.release(stale) }
    _ = consume lock
  }

  private func bind(_ sources: [ZoneSource], for owner: AttachmentID) throws(KernelError) {
    guard !sources.isEmpty else { return }
    try? sweepZones()  // the next ADD or GC tries again
    let lock = try lockZones()
    try records.add(sources, for: owner.filterTag)
    try zones.bind(sources)
    _ = consume lock
  }

  /// Removes the sources, except those whose address another attachment has now.
  private func release(_ sources: [ZoneSource], of owner: AttachmentID) throws(KernelError) {
    guard !sources.isEmpty else { return }
    let lock = try lockZones()
    var own: [ZoneSource] = []
    for source in sources where try records.tag(of: source) ?? owner.filterTag == owner.filterTag { own.append(source) }
    // If firewalld does not run, the next ADD or GC that finds it running removes them.
    let kept = zones.absence() == nil ? try zones.release(own) : own
    try records.markStale(kept)
    try records.remove(own)
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
