import CNI
import Glibc
import Linux
public import NetTypes

/// The hosts file that an attachment wants, and the lines for it alone.
public struct HostsWish: Equatable, Sendable {
  public var path: ContainerPath
  /// Lines with the container's own name; only its first attachment writes them.
  public var ownLines: [String]
  /// Lines for `extraHosts`.
  public var extraLines: [String]

  public init(_ path: ContainerPath, ownLines: [String], extraLines: [String]) {
    self.path = path
    self.ownLines = ownLines
    self.extraLines = extraLines
  }
}

extension NetworkNames {
  /// Writes an attachment's lines to the others' hosts files, and their lines to its own.
  ///
  /// The lines of an earlier ADD are removed first, but its file stays, because the runtime may have mounted it. If
  /// the earlier ADD wrote the same, no file is changed.
  ///
  /// - Parameters:
  ///   - joining: the attachment; this function sets its hosts file.
  ///   - wish: its hosts file and the lines for it alone; `nil` for an attachment without a hosts file.
  /// - Throws: the first error; `leave` undoes what was done.
  public func join(_ joining: Member, _ wish: HostsWish?) throws(KernelError) {
    if try state.hasState(of: joining.owner) {
      if let before = try standing(joining, wish) { return try renew(before) }
      if let failure = leave(joining.owner, keepingFile: true).first { throw failure }
    }
    guard let wish else {
      try willChange("remember \(joining.owner.container)")
      return try state.put(joining)
    }
    let peers = try peers(of: joining.owner)
    let others = peers.flatMap { $0.lines(for: joining) } + (try remoteRecord()?.members ?? []).flatMap(\.lines)
    var member = joining
    do {
      let lock = try ContainerLock(joining.owner.container, in: state)
      try enter(&member, wish, among: others)
      _ = consume lock
    }
    let expected = (others + OwnLines.standard).reduce(joining.lines.count * 80) { $0 + $1.utf8.count + 1 }
    if !peers.isEmpty {
      member.isIncomplete = true
      try willChange("remember that \(joining.owner.container) joins")
      try state.put(member)
    }
    let failures = forEachFile(of: peers) { (peer, hosts) throws(KernelError) in
      let lines = joining.lines(for: peer)
      try willChange("add \(lines.count) lines to \(hosts.path)")
      try carryOut(HostsChange(coming: lines, expected: expected), in: hosts, of: peer)
    }
    if let failure = failures.first { throw failure }
    member.isIncomplete = false
    try willChange("remember that \(joining.owner.container) has joined")
    try state.put(member)
  }

  /// Creates the container's own hosts file, or adds lines to the one that exists.
  private func enter(_ member: inout Member, _ wish: HostsWish, among others: [String]) throws(KernelError) {
    for attempt in 1... {
      do throws(KernelError) {
        if let found = try SafePath(wish.path).found() { return try adopt(found, &member, wish, among: others) }
        return try make(&member, wish, among: others)
      } catch {
        // Another process created the file after this one looked for it.
        guard error.errno == .EEXIST, attempt < 3 else { throw error }
      }
    }
  }

  private func adopt(
    _ found: KnownFile, _ member: inout Member, _ wish: HostsWish, among others: [String]
  ) throws(KernelError) {
    var record = try state.record(of: member.owner.container)
    let holder = ContainerRecord.Holder(member.owner)
    let isFirst = !record.files.contains { $0.file == found && $0.holders.contains { $0 != holder } }
    let isHeld = record.files.contains { $0.file == found && $0.holders.contains(holder) }
    var isForgotten = false
    if isFirst, !isHeld { isForgotten = try LiveHosts.isOurs(found, of: member.owner.container) }
    member.hosts = nil
    member.privateLines = (isFirst ? wish.ownLines : []) + wish.extraLines
    try willChange("remember \(member.owner.container)")
    try state.put(member)
    member.hosts = found
    record.hold(found, for: member.owner, made: isForgotten ? wish.path : nil)
    try willChange("remember the files of \(member.owner.container)")
    try state.put(record, of: member.owner.container)
    try willChange("add lines to \(found.path)")
    let lines = member.privateLines + others + member.lines
    let isThere =
      isForgotten ? try LiveHosts.renew(lines, in: found) : try LiveHosts.add(lines, to: found, expected: 0)
    if !isThere {
      throw KernelError("add lines to \(found.path)", errno: .EEXIST, reason: "replaced meanwhile")
    }
  }

  private func make(_ member: inout Member, _ wish: HostsWish, among others: [String]) throws(KernelError) {
    let owner = member.owner
    member.hosts = nil
    member.privateLines = wish.ownLines + wish.extraLines
    try willChange("remember \(owner.container)")
    try state.put(member)
    let older = try state.record(of: owner.container)
    let earlier = older.files.filter { $0.file.path == wish.path.description }.flatMap(\.madeDirectories)
    let missing = try SafePath(wish.path).missingDirectories()
    let directories = earlier + missing.filter { !earlier.contains($0) }
    // Recorded before the file exists, so that DEL after a crash removes the directories.
    var kept = ContainerRecord.KeptFile(
      KnownFile(path: wish.path.description, device: 0, inode: 0), made: wish.path, madeDirectories: directories,
      holders: [.init(owner)])
    try willChange("remember the files of \(owner.container)")
    try state.put(ContainerRecord(files: older.files + [kept]), of: owner.container)
    try willChange("write \(wish.path)")
    let lines = wish.ownLines + OwnLines.standard + wish.extraLines + others + member.lines
    let file = try NewHosts.write(lines, at: wish.path)
    kept.file = file.identity
    member.hosts = file.identity
    try willChange("remember \(wish.path)")
    try state.put(ContainerRecord(files: older.files + [kept]), of: owner.container)
    try willChange("create \(wish.path)")
    try file.appear()
  }
}

extension ContainerRecord {
  /// Adds `owner` to the users of a file.
  ///
  /// A file that is new in the record counts as not ours, unless `made` has the path under which we created it.
  fileprivate mutating func hold(_ file: KnownFile, for owner: AttachmentID, made: ContainerPath?) {
    if let index = files.firstIndex(where: { $0.file == file }) {
      let holder = Holder(owner)
      if !files[index].holders.contains(holder) { files[index].holders.append(holder) }
    } else {
      let directories = made.map { SafePath($0).directories } ?? []
      files.append(KeptFile(file, made: made, madeDirectories: directories, holders: [.init(owner)]))
    }
  }
}
