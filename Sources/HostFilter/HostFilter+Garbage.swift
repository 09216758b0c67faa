public import CNI
import Linux
public import NetTypes
public import PacketFilter

extension HostFilter {
  public mutating func collectGarbage(
    _ network: NetworkName, _ role: PluginRole, valid: Set<AttachmentID>, everywhere: Bool
  ) throws(KernelError) {
    // The rules for a network's containers on other hosts stay with its devices.
    let valid = valid.isEmpty ? valid : valid.union([.tunnel(of: network)])
    try inTurn(role, removing: true) { (filter) throws(KernelError) in
      try filter.collectGarbageNow(network, role, valid: valid, everywhere: everywhere)
    }
  }

  private mutating func collectGarbageNow(
    _ network: NetworkName, _ role: PluginRole, valid: Set<AttachmentID>, everywhere: Bool
  ) throws(KernelError) {
    for ruleSet in try ruleSetFiles.ruleSets(of: network, except: valid)
    where ruleSet.role == role && !valid.contains(ruleSet.owner) {
      try removeRecorded(ruleSet)
    }
    try removeBroken(on: network, role, except: valid)
    try updateProxies(of: network, for: role)
    if role == .firewall { try sweepZones() }
    guard everywhere else { return }
    let kept = Set(valid.map { $0.filterTag })
    for backend in try usableBackends() {
      try withBackend(backend) { (backend) throws(KernelError) in
        let left = try backend.tags(role, prefix: AttachmentID.filterTagPrefix(network)).subtracting(kept)
        for tag in left { try backend.remove(tag, role, recordedRules: nil) }
      }
    }
    // The masquerade rules of the reference plugins name the addresses for the other rules, so all roles are removed together.
    try removeReferenceRules(ReferenceRules(.network(network, except: valid), Set(PluginRole.allCases)))
  }
}
