import PacketFilter

/// The hosts in which two rule sets of a tunnel differ, as rule sets.
struct TunnelGuardChange: Equatable {
  /// The hosts that only the old rule set has.
  var old: RuleSet
  /// The hosts that only the new rule set has.
  var new: RuleSet

  /// `nil` if the rule sets are not lists of hosts for the same port in nf_tables.
  init?(from old: RuleSet, to new: RuleSet) {
    guard case .guardTunnel(let before)? = old.rules.first, case .guardTunnel(let after)? = new.rules.first,
      let oldPeers = before.peers, let newPeers = after.peers, before.port == after.port
    else { return nil }
    var rest = new
    rest.rules = old.rules
    guard new.rules.count == 1, new.backend == .nftables, rest == old else { return nil }
    (self.old, self.new) = (old, new)
    self.old.rules = [.guardTunnel(TunnelGuard(port: before.port, peers: oldPeers.without(newPeers)))]
    self.new.rules = [.guardTunnel(TunnelGuard(port: after.port, peers: newPeers.without(oldPeers)))]
  }
}

extension Array where Element: Hashable {
  fileprivate func without(_ others: [Element]) -> [Element] {
    let others = Set(others)
    return filter { !others.contains($0) }
  }
}
