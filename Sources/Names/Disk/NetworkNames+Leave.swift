public import CNI
import Linux
public import NetTypes

extension NetworkNames {
  /// Removes an attachment's lines from the others' files and theirs from its own, then removes its record.
  ///
  /// - Returns: the errors; the record then stays, so that DEL or GC can try again.
  public func leave(_ owner: AttachmentID) -> [KernelError] { leave(owner, keepingFile: false) }

  /// As `leave`; with `keepingFile` the container's file stays, for an ADD that follows at once.
  func leave(_ owner: AttachmentID, keepingFile: Bool) -> [KernelError] {
    do throws(KernelError) {
      let member = try memberUnlessBroken(owner)
      // The lines of an attachment without a hosts file are in no other file.
      let isWrittenToPeers = member.map { $0.isWrittenToPeers || $0.isIncomplete } ?? false
      let peers = isWrittenToPeers ? try peers(of: owner) : []
      let services = try member.map { (member) throws(KernelError) in try serviceLines(onlyOf: member, beside: peers) }
      if let member, !peers.isEmpty { markIncomplete(member) }
      return removeMember(owner, member, services ?? [], outOf: peers, keepingFile)
    } catch { return [error] }
  }

  /// Marks the attachment, so that CHECK of the others does not expect its lines if this process is killed.
  ///
  /// A failure, such as a full disk, is only a warning: DEL must go on.
  private func markIncomplete(_ member: Member) {
    var marked = member
    marked.isIncomplete = true
    guard marked != member else { return }
    do throws(KernelError) { try state.put(marked) } catch { warn("attachment of \(member.owner.container): \(error)") }
  }

  private func memberUnlessBroken(_ owner: AttachmentID) throws(KernelError) -> Member? {
    do throws(KernelError) { return try state.member(owner) } catch {
      guard error.isBrokenState else { throw error }
      warn("attachment of \(owner.container): \(error)")
      return nil
    }
  }

  private func removeMember(
    _ owner: AttachmentID, _ member: Member?, _ services: [String], outOf peers: [Member], _ keepingFile: Bool
  ) -> [KernelError] {
    var failures: [KernelError] = []
    func attempt(_ body: () throws(KernelError) -> Void) {
      do throws(KernelError) { try body() } catch { failures.append(error) }
    }
    attempt { () throws(KernelError) in
      let lock = try ContainerLock(owner.container, in: state)
      try removeFromOwnFile(owner, member, peers, keepingFile)
      _ = consume lock
    }
    if let member {
      failures += forEachFile(of: peers) { (peer, hosts) throws(KernelError) in
        let lines = member.lines(for: peer) + services.without(peer.privateLines)
        try carryOut(HostsChange(removals: lines, leaving: owner), in: hosts, of: peer)
      }
      attempt { () throws(KernelError) in try withdraw(member) }
    }
    attempt { () throws(KernelError) in
      if failures.isEmpty { return try state.remove(owner) }
      // Peers may lack the lines of its services already, so for the next back-end it must not be complete.
      if let member, !peers.isEmpty, member.services.isEmpty { try state.put(member) }
    }
    attempt { () throws(KernelError) in try removeRemoteRecordIfUnused() }
    return failures
  }

  /// Removes the container's own file with its last attachment; otherwise removes this attachment's lines from it.
  private func removeFromOwnFile(
    _ owner: AttachmentID, _ member: Member?, _ peers: [Member], _ keepingFile: Bool
  ) throws(KernelError) {
    try state.removeUnfinishedTexts(of: owner.container)
    var record = try recordUnlessBroken(owner.container)
    let holder = ContainerRecord.Holder(owner)
    for index in record.files.indices where record.files[index].holders.contains(holder) {
      let kept = record.files[index]
      let isKept = keepingFile && isSameFile(kept)
      if !isKept { record.files[index].holders.removeAll { $0 == holder } }
      if !isKept, record.files[index].holders.isEmpty, let createdPath = kept.createdPath {
        try remove(kept, at: createdPath)
      } else if let member {
        let remote = try remoteRecord() ?? RemoteRecord()
        // If ADD was interrupted before it changed the others' files, their lines are already in its own file.
        let peers = peers.isEmpty ? try self.peers(of: owner) : peers
        var lines = member.privateLines + peers.flatMap { $0.lines(for: member) } + member.lines + remote.lines
        lines += Self.serviceLines(peers + [member], remote.members + remote.leaving).without(member.privateLines)
        try removeUnlessHeld(lines, from: kept.file, of: owner)
      }
    }
    record.files.removeAll(where: { $0.holders.isEmpty })
    try state.put(record, of: owner.container)
  }

  private func recordUnlessBroken(_ container: ContainerID) throws(KernelError) -> ContainerRecord {
    do throws(KernelError) { return try state.record(of: container) } catch {
      guard error.isBrokenState else { throw error }
      warn("files of \(container): \(error)")
      return ContainerRecord()
    }
  }

  private func isSameFile(_ kept: ContainerRecord.ManagedFile) -> Bool {
    guard let status = try? Files.statusOfLink(kept.file.path) else { return false }  // then ADD creates it again
    return status.isRegular && status.device == kept.file.device && status.inode == kept.file.inode
  }

  /// Removes lines; if the container prevents that (a lease, permissions) and goes on running, the lines stay.
  private func removeUnlessHeld(_ lines: [String], from file: FileReference, of owner: AttachmentID) throws(KernelError)
  {
    do throws(KernelError) {
      if try !InPlaceHostsFile.remove(lines, from: file) { warnLeftAlone(file, of: owner) }
    } catch {
      guard error.isCausedByContainer else { throw error }
      warn("\(file.path): container \(owner.container) keeps the names of network \(network): \(error)")
    }
  }

  private func remove(_ kept: ContainerRecord.ManagedFile, at path: ContainerPath) throws(KernelError) {
    try SafePath(NewHostsFile.temporaryPath(path)).remove(where: { $0.isRegular }, andEmpty: [])
    try SafePath(path).remove(
      where: { $0.isRegular && $0.device == kept.file.device && $0.inode == kept.file.inode },
      andEmpty: kept.createdDirectories)
  }

  /// Removes all attachments of the network that are not in `valid`, then writes the overdue changes of the others.
  ///
  /// - Returns: the errors.
  public func removeAll(except valid: Set<AttachmentID>) throws(KernelError) -> [KernelError] {
    var failures: [KernelError] = []
    for owner in try state.owners(on: network) where !valid.contains(owner) { failures += leave(owner) }
    do throws(KernelError) {
      _ = try writeOverdueChanges(try members())
      try state.removeSetAside(of: network)
    } catch { failures.append(error) }
    return failures
  }
}
