public import CNI
import Etcd
import NetTypes

extension LeaseTable where Store: ~Copyable {
  /// Releases the attachment's addresses on this host; no-op if it has none.
  ///
  /// An attachment with the same names on another host keeps its addresses.
  public mutating func release(_ owner: Owner) throws(CNIError) {
    guard let pair = try read([.one(keys.attachment(LeaseOwner(owner)))])[0].first else { return }
    try release(pair)
  }

  /// Releases the addresses of this host's attachments that are not in `valid`, and blocks that have no addresses then.
  ///
  /// Continues after failures. An empty `valid` releases everything, for a host that is removed for good.
  public mutating func releaseAll(but valid: Set<ValidAttachments.Attachment>) throws(CNIError) {
    let found = try read([.prefixed(keys.attachments), .prefixed(keys.ownBlocks)])
    let keep = Set(
      valid.map { LeaseOwner(container: $0.containerID.description, interface: $0.ifname.description) })
    var failures: [CNIError] = []
    var kept: [IPAddress] = []
    for pair in found[0] {
      do throws(CNIError) {
        if let owner = keys.attachment(of: pair.key), keep.contains(owner) {
          kept += try Attachment(pair).addresses
        } else {
          try release(pair)
        }
      } catch { failures.append(error) }
    }
    let unused = found[1].compactMap { keys.block(of: $0.key) }.filter { !kept.contains(where: $0.contains) }
    // An attachment that could not be read may have addresses in any block.
    for block in unused where failures.isEmpty {
      do throws(CNIError) { try release(block) } catch { failures.append(error) }
    }
    if let error = CNIError(joining: failures) { throw error }
  }

  /// Deletes the attachment and those of its addresses that it still holds, in one transaction.
  private mutating func release(_ pair: EtcdPair) throws(CNIError) {
    let attachment = try Attachment(pair)
    guard let owner = keys.attachment(of: pair.key) else { return }
    let value = AddressHolder(owner: owner, node: keys.node, attempt: attachment.attempt).bytes
    let addresses = attachment.addresses.map(keys.address)
    var own = addresses
    var conditions = [EtcdTransaction.Condition.isUnchanged(pair.key, since: pair.modified)]
    conditions += addresses.map { .hasValue($0, value) }
    for _ in 0..<Self.patience {
      let outcome = try store.transact(
        EtcdTransaction(
          where: conditions, ([pair.key] + own).map { .delete(.one($0)) },
          otherwise: ([pair.key] + addresses).map { .read(.one($0)) }))
      if outcome.isSuccess { return }
      let found = outcome.found.flatMap(\.self)
      // Another process has released this attachment; a later ADD may have written the key again.
      guard found.contains(where: { $0.key == pair.key && $0.modified == pair.modified }) else { return }
      let left = found.filter { $0.key != pair.key && AddressHolder($0)?.attempt == attachment.attempt }
      own = left.map(\.key)
      conditions = ([pair] + left).map { .isUnchanged($0.key, since: $0.modified) }
    }
    throw CNIError(.tryAgainLater, "release \(pair.key) of etcd: its addresses change all the time")
  }

  private static var patience: Int { 8 }

  private mutating func release(_ block: IPPrefix) throws(CNIError) {
    let own = EtcdTransaction.Operation.delete(.one(keys.ownBlock(block)))
    _ = try store.transact(
      EtcdTransaction(
        where: [.hasValue(keys.block(block), Array(keys.node.description.utf8))],
        [.delete(.one(keys.block(block))), own], otherwise: [own]))
  }
}
