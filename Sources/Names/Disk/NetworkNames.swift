public import CNI
import Glibc
import Linux
public import NetTypes

/// The names of one network on this host, under the network's lock.
///
/// A record is written before any hosts file changes and removed after all of them, so that DEL can clean up after a
/// process that was killed at any point.
public struct NetworkNames: ~Copyable {
  let state: StateDirectory
  let network: NetworkName
  private let lock: FileLock
  /// Called with a description before each change; tests throw here.
  let willChange: (String) throws(KernelError) -> Void
  /// Called with problems that must not fail the command.
  let warn: (String) -> Void

  static let secondsToWait = 30

  /// Takes the network's lock.
  ///
  /// - Parameters:
  ///   - network: the network.
  ///   - state: the state directory.
  ///   - createIfMissing: whether to create the network's directory; DEL passes `false`, since without it there is nothing to
  ///     do.
  ///   - warn: called with what was left alone and why.
  ///   - willChange: called with a description before each change; an error that it throws prevents the change.
  /// - Returns: `nil` if there is no directory and `createIfMissing` is `false`.
  /// - Throws: EAGAIN if another process held the lock for `secondsToWait`.
  public static func lock(
    _ network: NetworkName, in state: StateDirectory, createIfMissing: Bool,
    warn: @escaping (String) -> Void = { _ in },
    willChange: @escaping (String) throws(KernelError) -> Void = { _ throws(KernelError) in }
  ) throws(KernelError) -> NetworkNames? {
    let directory = state.directory(of: network)
    if createIfMissing {
      try SetAside.makeDirectory("\(state.path)/.locks")
      try SetAside.makeDirectory(directory)
    }
    let path = "\(directory)/.lock"
    do throws(KernelError) {
      let lock = try StateFile.lock(path, seconds: secondsToWait)
      return NetworkNames(state: state, network: network, lock: lock, willChange: willChange, warn: warn)
    } catch {
      if !createIfMissing, error.isMissing { return nil }
      throw error
    }
  }

  private init(
    state: StateDirectory, network: NetworkName, lock: consuming FileLock,
    willChange: @escaping (String) throws(KernelError) -> Void, warn: @escaping (String) -> Void
  ) {
    self.state = state
    self.network = network
    self.lock = lock
    self.willChange = willChange
    self.warn = warn
  }

  /// All other attachments that have a hosts file and are complete.
  func peers(of owner: AttachmentID) throws(KernelError) -> [Member] {
    try state.members(of: network).filter { $0.owner != owner && $0.isWrittenToPeers }
  }

  /// Runs `body` for each member, under the lock of its container; each lock is taken once.
  ///
  /// - Returns: the errors; the other members are handled nevertheless.
  func forEachFile(
    of members: [Member], _ body: (Member, FileReference) throws(KernelError) -> Void
  ) -> [KernelError] {
    var groups: [Int: [Member]] = [:]
    for member in members { groups[ContainerLock.number(member.owner.container), default: []].append(member) }
    var failures: [KernelError] = []
    for (number, group) in groups.sorted(by: { $0.key < $1.key }) {
      do throws(KernelError) {
        let lock = try ContainerLock(number, in: state.path)
        for member in group {
          guard let hosts = member.hosts else { continue }
          do throws(KernelError) { try body(member, hosts) } catch { failures.append(error) }
        }
        _ = consume lock
      } catch { failures.append(error) }
    }
    return failures
  }

  func warnLeftAlone(_ identity: FileReference, of owner: AttachmentID) {
    warn("\(identity.path): left alone: no longer the hosts file of container \(owner.container)")
  }
}

extension Member {
  /// Whether it has a hosts file and its lines are in the others' files.
  var isWrittenToPeers: Bool { hosts != nil && !isIncomplete }
}

extension NetworkNames {
  /// Writes the attachment's names to the file that the network's name server reads; call `join` first.
  ///
  /// - Throws: the error; `leave` undoes what was done.
  public func publish(_ member: Member) throws(KernelError) {
    guard let files = ServerFiles(member, in: state, warn: warn) else { return }
    try willChange("write \(files.path)")
    try files.write()
    try updateServices(member)
  }

  /// Removes the attachment's names from the name server's file.
  func withdraw(_ member: Member) throws(KernelError) {
    guard let files = ServerFiles(member, in: state, warn: warn) else { return }
    try files.remove()
    try updateServices(member, except: member.owner)
  }

  /// How the attachment's entries in the name server's file differ from those that ADD would write.
  func serverDifferences(_ member: Member, from wanted: Member) throws(KernelError) -> [String] {
    guard member.server == wanted.server else { return ["its names are in the files of another name server"] }
    return try (ServerFiles(member, in: state, warn: warn)?.differences() ?? []) + missingServices(member)
  }
}

extension NetworkNames {
  /// The recorded attachment, if a repeated ADD wants the same names in the same file.
  ///
  /// - Returns: `nil` if something differs, or if the earlier ADD is not complete.
  func unchangedMember(_ joining: Member, _ request: HostsFileRequest?) throws(KernelError) -> Member? {
    guard let before: Member = try state.memberUnlessBroken(joining.owner), !before.isIncomplete else { return nil }
    var wanted = joining
    (wanted.hosts, wanted.privateLines, wanted.overdue) = (before.hosts, before.privateLines, before.overdue)
    guard before == wanted else { return nil }
    guard let request else { return before.hosts == nil ? before : nil }
    guard let hosts = before.hosts, hosts.path == request.path.description,
      before.privateLines == request.ownLines + request.extraLines || before.privateLines == request.extraLines,
      try SafePath(request.path).fileReference() == hosts, try isHolder(joining.owner, of: hosts)
    else { return nil }
    return before
  }

  private func isHolder(_ owner: AttachmentID, of file: FileReference) throws(KernelError) -> Bool {
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
    _ = try writeOverdueChanges(try members().filter { $0.owner != member.owner })
  }
}

extension NetworkNames {
  /// How the record, the files and their lines differ from the state after ADD.
  ///
  /// Reads only the attachment's own hosts file: each attachment's CHECK covers its own. Lines of an attachment whose
  /// ADD is not complete are not expected in it.
  ///
  /// `wanted` is the attachment as ADD would create it now; its hosts file and private lines are not compared.
  public func differences(from wanted: Member, hasHosts: Bool) throws(KernelError) -> [String] {
    guard let member = try state.member(wanted.owner) else { return ["there is no record of the attachment"] }
    var differences: [String] = []
    if member.addresses != wanted.addresses {
      differences.append(
        "recorded addresses are \(commaSeparated(member.addresses)), want \(commaSeparated(wanted.addresses))")
    }
    if member.names != wanted.names {
      differences.append("recorded names are \(commaSeparated(member.names)), want \(commaSeparated(wanted.names))")
    }
    if member.services != wanted.services { differences.append("recorded services differ from those that it has") }
    if member.links != wanted.links { differences.append("recorded links differ from the configured ones") }
    differences += try serverDifferences(member, from: wanted)
    differences += try remoteDifferences(in: member.hosts)
    guard let own = member.hosts else { return hasHosts ? differences + ["there is no hosts file"] : differences }
    let peers = try peers(of: wanted.owner)
    let record = try remoteRecord()
    let services = Self.serviceLines(peers + [member], record?.isSettled == true ? record?.members ?? [] : [])
    let lines = member.privateLines + services.without(member.privateLines)
    return try differences + missing(lines + peers.flatMap { $0.lines(for: member) } + member.lines, from: own)
  }

  func missing(_ lines: [String], from identity: FileReference) throws(KernelError) -> [String] {
    guard let missing = try InPlaceHostsFile.missing(lines, from: identity) else {
      return ["\(identity.path) was removed or replaced"]
    }
    return missing.map {
      "\(identity.path) lacks the line \"\($0.split(separator: "\t", omittingEmptySubsequences: false).joined(separator: " "))\""
    }
  }

  private func commaSeparated(_ values: [some CustomStringConvertible]) -> String {
    values.isEmpty ? "none" : values.map { $0.description }.joined(separator: ", ")
  }
}

extension StateDirectory {
  /// Checks that state files can be written and removed, for STATUS.
  ///
  /// - Throws: why they cannot.
  public func probe() throws(KernelError) {
    try Files.makeDirectories(path)
    let file = "\(path)/.probe"
    try StateFile.replace(file, with: [])
    try StateFile.remove(file)
  }
}

/// Lines to add to and remove from another container's hosts file.
struct HostsChange {
  /// Lines to add.
  var additions: [String] = []
  /// Lines to remove.
  var removals: [String] = []
  /// About how many bytes the file holds without removed lines.
  var expectedSize = Int.max
  /// The attachment that is being removed: its lines are not added again.
  var leaving: AttachmentID?
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
    _ change: HostsChange, in hosts: FileReference, of member: Member, comparing: Bool = false
  ) throws(KernelError) {
    var after = member
    do throws(KernelError) {
      try write(change, to: hosts, of: member, comparing)
      after.overdue = nil
    } catch {
      if error.isShortage { throw error }
      warn("\(hosts.path): container \(member.owner.container) has old names until it can be written: \(error)")
      // The oldest are surely in the file; lines added and removed since the first failure are not.
      after.overdue = Array(((member.overdue ?? []) + change.removals).prefix(Self.maximumOverdueCount))
    }
    if after != member { try state.put(after) }
  }

  /// Writes the change; tries a second time, unless the container prevents the write.
  private func write(
    _ change: HostsChange, to hosts: FileReference, of member: Member, _ comparing: Bool
  ) throws(KernelError) {
    func attempt(_ comparing: Bool) throws(KernelError) {
      let whole = comparing ? try all(change, after: member.overdue ?? [], hosts, member) : change
      var isThere = try InPlaceHostsFile.add(whole.additions, to: hosts, expectedSize: whole.expectedSize)
      if isThere { isThere = try InPlaceHostsFile.remove(whole.removals, from: hosts) }
      if !isThere { warnLeftAlone(hosts, of: member.owner) }
    }
    do throws(KernelError) { try attempt(comparing || member.overdue != nil) } catch {
      if error.isCausedByContainer { throw error }
      // A part may be written already, so the second attempt compares.
      try attempt(true)
    }
  }

  /// The largest number of overdue lines that are recorded for one file.
  private static let maximumOverdueCount = 10_000

  /// Writes the overdue changes of hosts files that can be written again.
  ///
  /// - Returns: whether anything was overdue.
  func writeOverdueChanges(_ members: [Member]) throws(KernelError) -> Bool {
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
    _ change: HostsChange, after overdue: [String], _ hosts: FileReference, _ member: Member
  ) throws(KernelError) -> HostsChange {
    // Checked first: the records need not be read if the file cannot be opened.
    guard let _ = try InPlaceHostsFile.open(hosts) else { return change }
    let localPeers = try peers(of: member.owner).filter { $0.owner != change.leaving }
    let remote = try remoteRecord()?.members ?? []
    var wanted = member.privateLines + localPeers.flatMap { $0.lines(for: member) } + member.lines
    wanted += remote.flatMap { $0.lines }
    wanted += Self.serviceLines(localPeers + [member], remote).without(member.privateLines)
    // An attachment whose ADD is running is not yet among the peers.
    wanted += change.additions.without(wanted)
    var all = change
    all.additions = try InPlaceHostsFile.missing(wanted, from: hosts) ?? []
    all.removals = (overdue + change.removals).without(wanted)
    return all
  }
}
