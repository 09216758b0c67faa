public import CNI
public import NetTypes
import PacketFilter

/// Recorded rules that another program has removed.
extension HostFilter {
  /// The networks with recorded rule sets.
  public func networks() throws(KernelError) -> [NetworkName] { try ruleSetFiles.networks() }

  /// Restores all recorded rules that are missing.
  ///
  /// - Parameters:
  ///   - networks: the networks to check.
  ///   - isLive: whether the attachment still exists.
  /// - Returns: the attachments that lacked rules.
  /// - Throws: the backend's error.
  public mutating func repair(
    _ networks: [NetworkName], where isLive: (AttachmentID) -> Bool = { _ in true }
  ) throws(KernelError) -> [AttachmentID] {
    var ruleSets: [RuleSet] = []
    for network in networks { ruleSets += try ruleSetFiles.ruleSets(of: network).filter { isLive($0.owner) } }
    var repaired: [AttachmentID] = []
    for ruleSet in ruleSets.inOrderOfRepair where try restore(ruleSet) {
      repaired.append(ruleSet.owner)
    }
    for network in networks {
      try inTurn(.services) { (filter) throws(KernelError) in
        let recorded = try filter.ruleSetFiles.ruleSets(of: network, .services)
        try filter.updateProxies(of: network, for: .services, changing: recorded)
      }
    }
    return repaired
  }
}

extension [RuleSet] {
  /// The order for repair: published ports first, since `route_localnet` may be on without the rule for 127.0.0.0/8.
  ///
  /// Spare ports come last, after the ports that they are spare for.
  fileprivate var inOrderOfRepair: [RuleSet] {
    let first = filter { !$0.hasSparePorts }
    return first.filter { !$0.localnetLinks.isEmpty } + first.filter { $0.localnetLinks.isEmpty }
      + filter { $0.hasSparePorts }
  }
}

extension RuleSet {
  fileprivate var hasSparePorts: Bool {
    rules.contains { if case .publish(let port) = $0 { port.isSpare } else { false } }
  }
}
