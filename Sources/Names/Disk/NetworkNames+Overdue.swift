import CNI
import NetTypes

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
  /// So a container that makes its file huge or holds a lease on it, or its read-only or broken file system, fails no ADD
  /// or DEL of another. The next change of the network's names writes what is overdue.
  ///
  /// - Parameters:
  ///   - change: the lines.
  ///   - hosts: the file.
  ///   - member: whose it is.
  ///   - comparing: whether to add whatever else is missing.
  /// - Throws: what this process or the host is short of for a moment.
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
      // The first ones are in the file for certain; a line that came and went since is not.
      after.overdue = Array(((member.overdue ?? []) + change.going).prefix(Self.mostOverdue))
    }
    if after != member { try state.put(after) }
  }

  /// Tries twice, unless the container itself keeps the file from being changed.
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
      // Part of it may be written.
      try attempt(true)
    }
  }

  /// How many lines to remove are remembered for one file.
  private static let mostOverdue = 10_000

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
    // Before everything is read for a file that cannot be read.
    guard let _ = try LiveHosts.open(hosts) else { return change }
    let here = try peers(of: member.owner).filter { $0.owner != change.leaving }
    let remote = try remoteRecord()?.members.flatMap(\.lines) ?? []
    var wanted = member.privateLines + here.flatMap { $0.lines(for: member) } + member.lines + remote
    // An attachment that is joining is not yet among the peers.
    wanted += change.coming.without(wanted)
    var all = change
    all.coming = try LiveHosts.missing(wanted, from: hosts) ?? []
    all.going = (overdue + change.going).without(wanted)
    return all
  }
}
