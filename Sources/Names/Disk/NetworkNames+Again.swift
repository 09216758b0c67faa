import CNI
import Linux
import NetTypes

extension NetworkNames {
  /// The recorded attachment, if a repeated ADD wants the same names in the same file.
  ///
  /// - Returns: `nil` if something differs, or if the earlier ADD is not complete.
  func standing(_ joining: Member, _ wish: HostsWish?) throws(KernelError) -> Member? {
    guard let before: Member = try state.memberUnlessBroken(joining.owner), !before.isIncomplete else { return nil }
    var wanted = joining
    (wanted.hosts, wanted.privateLines, wanted.overdue) = (before.hosts, before.privateLines, before.overdue)
    guard before == wanted else { return nil }
    guard let wish else { return before.hosts == nil ? before : nil }
    guard let hosts = before.hosts, hosts.path == wish.path.description,
      before.privateLines == wish.ownLines + wish.extraLines || before.privateLines == wish.extraLines,
      try FilePlace(wish.path).found() == hosts, try isHolder(joining.owner, of: hosts)
    else { return nil }
    return before
  }

  private func isHolder(_ owner: Owner, of file: KnownFile) throws(KernelError) -> Bool {
    do throws(KernelError) {
      let holder = ContainerRecord.Holder(owner)
      return try state.record(of: owner.container).files.contains { $0.file == file && $0.holders.contains(holder) }
    } catch {
      if error.isBrokenState { return false }
      throw error
    }
  }

  /// Adds the missing lines to the attachment's own file, and writes overdue changes to the others' files.
  func renew(_ member: Member) throws(KernelError) {
    let failures = forEachFile(of: [member]) { (member, hosts) throws(KernelError) in
      try willChange("add what is missing in \(hosts.path)")
      try carryOut(HostsChange(), in: hosts, of: member, comparing: true)
    }
    if let failure = failures.first { throw failure }
    _ = try catchUp(try members().filter { $0.owner != member.owner })
  }
}
