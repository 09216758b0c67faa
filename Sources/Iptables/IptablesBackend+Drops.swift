public import NetTypes
public import PacketFilter

extension IptablesBackend {
  /// Names the host's rules and policies that certainly drop connections which the claim's rules are for.
  public mutating func drops(for claim: Claim) throws(KernelError) -> [String] {
    try legacyDrops(claim.onlyPassages) + Self.drops(claim.forwardedConnections, withOpened: true)
  }

  /// As `drops(for:)`, but without the chains in which ADD accepts a network: FORWARD of `iptables`, and firewalld's.
  public func dropsByOtherTables(_ connections: [ForwardedConnection]) throws(KernelError) -> [String] {
    try Self.drops(connections, withOpened: false)
  }

  private static func drops(
    _ connections: [ForwardedConnection], withOpened: Bool
  ) throws(KernelError) -> [String] {
    guard !connections.isEmpty else { return [] }
    var chains: ForwardChains
    do throws(KernelError) { chains = try ForwardChains(withOpened: withOpened) } catch {
      return []  // a kernel without nf_tables has none of its chains
    }
    guard !chains.baseChains.isEmpty else { return [] }
    var drops: [String] = []
    for connection in connections {
      if let drop = try chains.drop(of: connection) { drops.append("\(connection) are dropped by the host: \(drop)") }
    }
    return drops
  }

  /// Names the legacy tables whose FORWARD has policy DROP and lacks our passages.
  private func legacyDrops(_ claim: Claim) throws(KernelError) -> [String] {
    guard onlyFlavour != .nftables else { return [] }
    let tables = tables(.legacy)
    let missing = try tables.missing(from: claim)
    guard !missing.isEmpty else { return [] }
    var drops: [String] = []
    for name in try tables.forwarding(TableName.all.filter { $0.kind == .filter }) {
      guard missing.contains(where: { $0.needs(name) }), try tables.take(name).policy(of: "FORWARD") == "DROP" else {
        continue
      }
      drops.append(
        "IPv\(name.family.digit) packets are dropped by the host: legacy table filter, chain FORWARD, policy DROP"
      )
    }
    return drops
  }
}
