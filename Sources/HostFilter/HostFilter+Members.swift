public import NetTypes
public import PacketFilter

/// The members of services, of containers on this host and on others.
extension HostFilter {
  /// All recorded members.
  public func serviceMembers() throws(KernelError) -> [ServiceMember] {
    var members: [ServiceMember] = []
    for ruleSet in try ruleSets(.services) {
      for case .balance(let backEnd) in ruleSet.rules { members.append(ServiceMember(ruleSet.owner, backEnd)) }
    }
    return members
  }

  /// Whether the members take new connections.
  public func states(of members: [ServiceMember]) throws(KernelError) -> [ServiceMember.State] {
    let proxied = members.filter { $0.backEnd.proxy != nil }
    let inRules = try nftables.states(of: members)
    guard !proxied.isEmpty else { return inRules }
    var inProxies = try proxyStates(of: proxied)[...]
    return zip(members, inRules).map { (member, inRules) in
      guard member.backEnd.proxy != nil, let inProxy = inProxies.popFirst() else { return inRules }
      return inRules == .isMissing ? inRules : inProxy
    }
  }

  /// Takes members out of their services, and others in again, in one transaction; none of haproxy's, which does so itself.
  ///
  /// - Returns: those that were changed.
  public mutating func setMembers(
    out: [ServiceMember], in taken: [ServiceMember]
  ) throws(KernelError) -> [ServiceMember] {
    let out = out.filter { $0.backEnd.proxy == nil }, taken = taken.filter { $0.backEnd.proxy == nil }
    // The lock keeps ADD and DEL waiting, so it is taken only for a change.
    let outStates = try states(of: out), takenStates = try states(of: taken)
    guard outStates.contains(.isIn) || takenStates.contains(.isOut) else { return [] }
    var changed: [ServiceMember] = []
    try inTurn(.services) { (filter) throws(KernelError) in
      changed = try filter.nftables.setMembers(out: out, in: taken)
    }
    return changed
  }
}
