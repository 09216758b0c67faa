public import CNI
import Etcd
import NetTypes

extension LeaseTable where Store: ~Copyable {
  /// Gives back what the attachment has on this host; nothing happens where it has nothing.
  ///
  /// Another host's attachment of the same names keeps its addresses.
  public mutating func release(_ owner: Owner) throws(CNIError) {
    guard let pair = try read([.one(keys.attachment(LeaseOwner(owner)))])[0].first else { return }
    try release(pair)
  }

  /// Gives back what this host's attachments have that are not in `valid`, and its blocks that then serve nobody.
  ///
  /// Goes on past failures. With an empty `valid` it releases all that a host has which will not come back.
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
    // What is unreadable may be in any of them.
    for block in unused where failures.isEmpty {
      do throws(CNIError) { try release(block) } catch { failures.append(error) }
    }
    if let error = CNIError(joining: failures) { throw error }
  }

  /// Deletes the attachment and those of its addresses that are still its own, as one.
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
      // Gone, or a later ADD's: whoever did that has released this one's.
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
