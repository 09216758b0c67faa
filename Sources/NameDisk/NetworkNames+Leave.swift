public import CNI
public import Kernel
import Linux
import Names

extension NetworkNames {
  /// Takes an attachment's lines out of the others' files and theirs out of its own, and forgets it.
  ///
  /// - Returns: what failed; it is remembered then for another try.
  public func leave(_ owner: Owner) -> [KernelError] {
    var failures: [KernelError] = []
    func attempt(_ body: () throws(KernelError) -> Void) {
      do throws(KernelError) { try body() } catch { failures.append(error) }
    }
    var member: Member?
    do throws(KernelError) { member = try state.member(owner) } catch {
      warn("attachment of \(owner.container): \(error)")
    }
    var peers: [Member] = []
    // Who has no hosts file was never written into another's.
    if member?.hosts != nil { attempt { () throws(KernelError) in peers = try self.peers(of: owner) } }
    attempt { () throws(KernelError) in
      let lock = try ContainerLock(owner.container, in: state)
      try letGo(owner, member, peers)
      _ = consume lock
    }
    if let member {
      failures += forEachFile(of: peers) { (peer, hosts) throws(KernelError) in
        try carryOut(HostsChange(going: member.lines(for: peer), leaving: owner), in: hosts, of: peer)
      }
    }
    if let member { attempt { () throws(KernelError) in try withdraw(member) } }
    if failures.isEmpty { attempt { () throws(KernelError) in try state.remove(owner) } }
    attempt { () throws(KernelError) in try forgetRemoteIfAlone() }
    return failures
  }

  /// Removes the container's own file with its last attachment, and otherwise what this one had in it.
  private func letGo(_ owner: Owner, _ member: Member?, _ peers: [Member]) throws(KernelError) {
    try state.removeUnfinishedTexts(of: owner.container)
    var record: ContainerRecord
    do throws(KernelError) { record = try state.record(of: owner.container) } catch {
      warn("files of \(owner.container): \(error)")
      record = ContainerRecord()
    }
    let holder = ContainerRecord.Holder(owner)
    for index in record.files.indices where record.files[index].holders.contains(holder) {
      record.files[index].holders.removeAll { $0 == holder }
      let kept = record.files[index]
      if kept.holders.isEmpty, let made = kept.made {
        try remove(kept, at: made)
      } else if let member {
        let remote = try remoteRecord()?.lines ?? []
        let lines = member.privateLines + peers.flatMap { $0.lines(for: member) } + member.lines + remote
        if try !LiveHosts.remove(lines, from: kept.file) { warnLeftAlone(kept.file, of: owner) }
      }
    }
    record.files.removeAll(where: \.holders.isEmpty)
    try state.put(record, of: owner.container)
  }

  private func remove(_ kept: ContainerRecord.KeptFile, at path: ContainerPath) throws(KernelError) {
    try FilePlace(NewHosts.interim(path)).remove(where: \.isRegular, andEmpty: [])
    try FilePlace(path).remove(
      where: { $0.isRegular && $0.device == kept.file.device && $0.inode == kept.file.inode },
      andEmpty: kept.madeDirectories)
  }

  /// Forgets all of the network's attachments but `valid`.
  ///
  /// - Returns: what failed.
  public func forgetAll(but valid: Set<Owner>) throws(KernelError) -> [KernelError] {
    var failures: [KernelError] = []
    for owner in try state.owners(on: network) where !valid.contains(owner) { failures += leave(owner) }
    return failures
  }
}
