public import Kernel
import NetTypes
public import PacketFilter

extension IptablesBackend {
  /// What of the host drops connections that the claim's rules are for, in words.
  public mutating func drops(_ claim: Claim) throws(KernelError) -> [String] {
    try legacyDrops(claim.onlyPassages) + Self.drops(claim.forwardedConnections, withIptables: true)
  }

  /// As `drops`, but only what the passages that ADD makes do not help against.
  public func dropsOfOthers(_ connections: [ForwardedConnection]) throws(KernelError) -> [String] {
    try Self.drops(connections, withIptables: false)
  }

  private static func drops(
    _ connections: [ForwardedConnection], withIptables: Bool
  ) throws(KernelError) -> [String] {
    guard !connections.isEmpty else { return [] }
    var chains: ForwardChains
    do throws(KernelError) { chains = try ForwardChains(withIptables: withIptables) } catch {
      return []  // a kernel without nf_tables has none of its chains
    }
    guard !chains.bases.isEmpty else { return [] }
    var drops: [String] = []
    for connection in connections {
      if let drop = try chains.drop(of: connection) { drops.append("\(connection) are dropped by the host: \(drop)") }
    }
    return drops
  }

  /// Legacy tables whose FORWARD drops what it does not know, and lacks our passages.
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
        "what is forwarded by IPv\(name.family.digit) is dropped by the host: legacy table filter, chain FORWARD, policy DROP"
      )
    }
    return drops
  }
}
