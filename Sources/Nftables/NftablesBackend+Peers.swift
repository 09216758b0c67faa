public import CNI
public import NetTypes
import PacketFilter

extension NftablesBackend {
  public func links(of network: NetworkName) throws(KernelError) -> [InterfaceName]? {
    let chain = PeerSets.chain(of: network).name
    let socket = try RulesetSocket.open()
    guard try socket.uses(of: chain, .inet) != nil else { return nil }
    return try Self.links(of: chain, in: socket)
  }

  private static func links(of chain: String, in socket: borrowing RulesetSocket) throws(KernelError) -> [InterfaceName]
  {
    let set = PeerSets.links(of: chain)
    return try socket.elements(of: set).compactMap { listed in
      if case .interface(let link) = [Field](set.key, bytes: listed.key)?.first { link } else { nil }
    }
  }

  public func setLinks(_ links: [InterfaceName], of network: NetworkName) throws(KernelError) {
    let chain = PeerSets.chain(of: network).name
    let socket = try RulesetSocket.open()
    for _ in 0..<NftablesBackend.tries {
      guard try socket.uses(of: chain, .inet) != nil else { return }
      let old = try Self.links(of: chain, in: socket)
      let element = { Element(set: PeerSets.links(of: chain), key: [.interface($0)], value: .none, comment: chain) }
      let changes: [RulesetChange] =
        old.filter { !links.contains($0) }.map { .deleteElement(element($0)) }
        + links.filter { !old.contains($0) }.map { .addElement(element($0)) }
      guard !changes.isEmpty else { return }
      do throws(KernelError) {
        return try socket.carryOut(changes, doing: "note links of network \(network)")
      } catch {
        // Another process changes the same set, or removes it with the last policy.
        guard error.errno.isOne(of: .ENOENT, .EAGAIN, .EEXIST) || NftErrorText.isUnanswered(error) else { throw error }
      }
    }
    throw KernelError(
      "note links of network \(network)", errno: .EAGAIN,
      reason: "other processes changed the ruleset 10 times in a row")
  }
}
