public import CNI
import Glibc
public import NetTypes
public import PacketFilter

/// Rule set files without a valid rule set: they are renamed, reported on standard error, and removed by GC.
extension HostFilter {
  /// The recorded rule set of that owner and role; `nil` if there is none or its file holds no valid rule set.
  public func ruleSet(of owner: AttachmentID, _ role: PluginRole) throws(KernelError) -> RuleSet? {
    if case .ruleSet(let ruleSet) = try ruleSetFiles.content(of: owner, role) { ruleSet } else { nil }
  }

  public func ruleSets(_ role: PluginRole) throws(KernelError) -> [RuleSet] {
    var ruleSets: [RuleSet] = []
    for network in try ruleSetFiles.networks() { ruleSets += try ruleSetFiles.ruleSets(of: network, role) }
    return ruleSets
  }

  public func ruleSets(of network: NetworkName) throws(KernelError) -> [RuleSet] {
    try ruleSetFiles.ruleSets(of: network)
  }

  public func ruleSets(of network: NetworkName, except kept: Set<AttachmentID>) throws(KernelError) -> [RuleSet] {
    try ruleSetFiles.ruleSets(of: network, except: kept)
  }

  /// The recorded rule set; if the file is unusable, removes the rules with the owner's tag and sets the file aside.
  mutating func recordedRuleSet(of owner: AttachmentID, _ role: PluginRole) throws(KernelError) -> RuleSet? {
    switch try ruleSetFiles.content(of: owner, role) {
    case .nothing: return nil
    case .ruleSet(let ruleSet): return ruleSet
    case .broken(let reason):
      try removeEverywhere(owner.filterTag, role)
      try setAside(owner, role, reason)
      return nil
    }
  }

  func setAside(_ owner: AttachmentID, _ role: PluginRole, _ reason: KernelError) throws(KernelError) {
    try ruleSetFiles.setAside(owner, role)
    note("\(reason): set aside")
  }

  /// Removes that role's files of a network that hold no valid rule set.
  ///
  /// Their rules can still be found by the tags.
  func removeBroken(on network: NetworkName, _ role: PluginRole, except kept: Set<AttachmentID>) throws(KernelError) {
    let broken = try ruleSetFiles.broken(on: network, role, except: kept)
    for name in broken.files { note("\(network)/\(name): contains no valid rule set of this attachment: removed") }
    try ruleSetFiles.remove(broken.files + broken.aside, on: network)
  }
}

extension RuleSetFiles {
  /// The content of an owner's rule set file.
  enum Content {
    case nothing
    case ruleSet(RuleSet)
    /// The file does not hold a rule set of that owner.
    case broken(KernelError)
  }

  /// - Throws: the error that keeps the file from being read now.
  func content(of owner: AttachmentID, _ role: PluginRole) throws(KernelError) -> Content {
    do throws(KernelError) {
      return try ruleSet(of: owner, role).map(Content.ruleSet) ?? .nothing
    } catch {
      guard error.isMalformed else { throw error }
      return .broken(error)
    }
  }
}

extension KernelError {
  /// Whether a rule set file does not hold the rule set that belongs there.
  var isMalformed: Bool { errno == .EBADMSG }
}
