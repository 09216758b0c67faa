import CNI
import Kernel
import Names

/// Lines to add to and remove from another container's hosts file.
struct HostsChange {
  /// Lines to add.
  var coming: [String] = []
  /// Lines to remove.
  var going: [String] = []
  /// About how many bytes the file holds without dead lines.
  var expected = Int.max
  /// An attachment that is being removed: its lines are not added.
  var leaving: Owner?
}

extension NetworkNames {
  /// Changes a container's hosts file, or remembers the change as overdue if the file cannot be written.
  ///
  /// So a read-only or broken file system of one container fails no ADD or DEL of another. The next change of the
  /// network's names writes what is overdue.
  func carryOut(_ change: HostsChange, in hosts: KnownFile, of member: Member) throws(KernelError) {
    var after = member
    do throws(KernelError) {
      let whole = if let overdue = member.overdue { try all(change, after: overdue, hosts, member) } else { change }
      after.overdue = nil
      var isThere = try LiveHosts.add(whole.coming, to: hosts, expected: whole.expected)
      if isThere { isThere = try LiveHosts.remove(whole.going, from: hosts) }
      if !isThere { warnLeftAlone(hosts, of: member.owner) }
    } catch {
      warn("\(hosts.path): container \(member.owner.container) has old names until it can be written: \(error)")
      after.overdue = (member.overdue ?? []) + change.going
    }
    if after != member { try state.put(after) }
  }

  /// Writes what is overdue in hosts files that can be written again.
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

  /// A change together with the overdue ones.
  private func all(
    _ change: HostsChange, after overdue: [String], _ hosts: KnownFile, _ member: Member
  ) throws(KernelError) -> HostsChange {
    let here = try peers(of: member.owner).filter { $0.owner != change.leaving }
    let remote = try remoteRecord()?.members.flatMap(\.lines) ?? []
    let wanted = member.privateLines + here.flatMap { $0.lines(for: member) } + member.lines + remote
    var all = change
    all.coming = try LiveHosts.missing(wanted, from: hosts) ?? []
    all.going = (overdue + change.going).without(wanted)
    return all
  }
}
