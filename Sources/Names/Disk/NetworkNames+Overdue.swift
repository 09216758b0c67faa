import CNI
import NetTypes

/// Lines to add to and remove from another container's hosts file.
struct HostsChange {
  /// Lines to add.
  var coming: [String] = []
  /// Lines to remove.
  var going: [String] = []
  /// About how many bytes the file holds without removed lines.
  var expected = Int.max
  /// The attachment that is being removed: its lines are not added again.
  var leaving: Owner?
}

extension NetworkNames {
  /// Changes a container's hosts file; records the change as overdue if the file cannot be written.
  ///
  /// So ADD and DEL of other containers succeed even if this container made its file very large, holds a lease on it,
  /// or has a read-only or broken file system. The next change of the network's names writes the overdue lines.
  ///
  /// - Parameters:
  ///   - change: the lines to add and to remove.
  ///   - hosts: the file.
  ///   - member: the attachment of that file.
  ///   - comparing: whether to add all other missing lines too.
  /// - Throws: only shortages that pass, such as ENOMEM or EMFILE.
  func carryOut(
    _ change: HostsChange, in hosts: KnownFile, of member: Member, comparing: Bool = false
  ) throws(KernelError) {
    var after = member
    do throws(KernelError) {
      try write(change, to: hosts, of: member, comparing)
      after.overdue = nil
    } catch {
      if error.isShortage { throw error }
      warn("\(hosts.path): container \(member.owner.container) has old names until it can be written: \(error)")
      // The oldest are surely in the file; lines added and removed since the first failure are not.
      after.overdue = Array(((member.overdue ?? []) + change.going).prefix(Self.mostOverdue))
    }
    if after != member { try state.put(after) }
  }

  /// Writes the change; tries a second time, unless the container prevents the write.
  private func write(
    _ change: HostsChange, to hosts: KnownFile, of member: Member, _ comparing: Bool
  ) throws(KernelError) {
    func attempt(_ comparing: Bool) throws(KernelError) {
      let whole = comparing ? try all(change, after: member.overdue ?? [], hosts, member) : change
      var isThere = try LiveHosts.add(whole.coming, to: hosts, expected: whole.expected)
      if isThere { isThere = try LiveHosts.remove(whole.going, from: hosts) }
      if !isThere { warnLeftAlone(hosts, of: member.owner) }
    }
    do throws(KernelError) { try attempt(comparing || member.overdue != nil) } catch {
      if error.isOfContainer { throw error }
      // A part may be written already, so the second attempt compares.
      try attempt(true)
    }
  }

  /// The largest number of overdue lines that are recorded for one file.
  private static let mostOverdue = 10_000

  /// Writes the overdue changes of hosts files that can be written again.
  ///
  /// - Returns: whether anything was overdue.
  func catchUp(_ members: [Member]) throws(KernelError) -> Bool {
    let late = members.filter { $0.overdue != nil }
    let failures = forEachFile(of: late) { (member, hosts) throws(KernelError) in
      try willChange("change names in \(hosts.path)")
      try carryOut(HostsChange(), in: hosts, of: member)
    }
    if let failure = failures.first { throw failure }
    return !late.isEmpty
  }

  /// A change together with the overdue changes of the same file.
  private func all(
    _ change: HostsChange, after overdue: [String], _ hosts: KnownFile, _ member: Member
  ) throws(KernelError) -> HostsChange {
    // Checked first: the records need not be read if the file cannot be opened.
    guard let _ = try LiveHosts.open(hosts) else { return change }
    let here = try peers(of: member.owner).filter { $0.owner != change.leaving }
    let remote = try remoteRecord()?.members.flatMap(\.lines) ?? []
    var wanted = member.privateLines + here.flatMap { $0.lines(for: member) } + member.lines + remote
    // An attachment whose ADD is running is not yet among the peers.
    wanted += change.coming.without(wanted)
    var all = change
    all.coming = try LiveHosts.missing(wanted, from: hosts) ?? []
    all.going = (overdue + change.going).without(wanted)
    return all
  }
}
