import CNI
import Glibc
import Linux
public import NetTypes

/// The hosts file that an attachment wants, and the lines for it alone.
public struct HostsFileRequest: Equatable, Sendable {
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
  ///   - request: its hosts file and the lines for it alone; `nil` for an attachment without a hosts file.
  /// - Throws: the first error; `leave` undoes what was done.
  public func join(_ joining: Member, _ request: HostsFileRequest?) throws(KernelError) {
    if try state.hasState(of: joining.owner) {
      if let before = try unchangedMember(joining, request) { return try renew(before) }
      if let failure = leave(joining.owner, keepingFile: true).first { throw failure }
    }
    guard let request else {
      try willChange("record \(joining.owner.container)")
      return try state.put(joining)
    }
    let peers = try peers(of: joining.owner)
    let remote = try remoteRecord()?.members ?? []
    let others =
      peers.flatMap { $0.lines(for: joining) } + remote.flatMap { $0.lines }
      + Self.serviceLines(peers + [joining], remote).without(request.extraLines)
    var member = joining
    do {
      let lock = try ContainerLock(joining.owner.container, in: state)
      try writeOwnFile(&member, request, among: others)
      _ = consume lock
    }
    let expectedSize = (others + OwnLines.standard).reduce(joining.lines.count * 80) { $0 + $1.utf8.count + 1 }
    if !peers.isEmpty {
      member.isIncomplete = true
      try willChange("record that \(joining.owner.container) joins")
      try state.put(member)
    }
    try addLines(of: joining, to: peers, expectedSize: expectedSize)
    member.isIncomplete = false
    try willChange("record that \(joining.owner.container) has joined")
    try state.put(member)
  }

  private func addLines(of joining: Member, to peers: [Member], expectedSize: Int) throws(KernelError) {
    let services = try serviceLines(onlyOf: joining, beside: peers)
    let comparing = services.isEmpty ? false : try hasUnsettledServices(except: joining.owner)
    let failures = forEachFile(of: peers) { (peer, hosts) throws(KernelError) in
      let lines = joining.lines(for: peer) + services.without(peer.privateLines)
      try willChange("add \(lines.count) lines to \(hosts.path)")
      let change = HostsChange(additions: lines, expectedSize: expectedSize)
      try carryOut(change, in: hosts, of: peer, comparing: comparing)
    }
    if let failure = failures.first { throw failure }
  }

  /// Creates the container's own hosts file, or adds lines to the one that exists.
  private func writeOwnFile(_ member: inout Member, _ request: HostsFileRequest, among others: [String])
    throws(KernelError)
  {
    for attempt in 1... {
      do throws(KernelError) {
        if let existing = try SafePath(request.path).fileReference() {
          return try useExistingFile(existing, &member, request, among: others)
        }
        return try createFile(&member, request, among: others)
      } catch {
        // Another process created the file after this one looked for it.
        guard error.errno == .EEXIST, attempt < 3 else { throw error }
      }
    }
  }

  private func useExistingFile(
    _ file: FileReference, _ member: inout Member, _ request: HostsFileRequest, among others: [String]
  ) throws(KernelError) {
    var record = try state.record(of: member.owner.container)
    let holder = ContainerRecord.Holder(member.owner)
    let isFirst = !record.files.contains { $0.file == file && $0.holders.contains { $0 != holder } }
    let isHeld = record.files.contains { $0.file == file && $0.holders.contains(holder) }
    var isRecordLost = false
    if isFirst, !isHeld { isRecordLost = try InPlaceHostsFile.isOurs(file, of: member.owner.container) }
    member.hosts = nil
    member.privateLines = (isFirst ? request.ownLines : []) + request.extraLines
    try willChange("record \(member.owner.container)")
    try state.put(member)
    member.hosts = file
    record.addHolder(file, for: member.owner, createdPath: isRecordLost ? request.path : nil)
    try willChange("record the files of \(member.owner.container)")
    try state.put(record, of: member.owner.container)
    try willChange("add lines to \(file.path)")
    let lines = member.privateLines + others + member.lines
    let isThere =
      isRecordLost
      ? try InPlaceHostsFile.renew(lines, in: file) : try InPlaceHostsFile.add(lines, to: file, expectedSize: 0)
    if !isThere {
      throw KernelError("add lines to \(file.path)", errno: .EEXIST, reason: "another process replaced the file")
    }
  }

  private func createFile(_ member: inout Member, _ request: HostsFileRequest, among others: [String])
    throws(KernelError)
  {
    let owner = member.owner
    member.hosts = nil
    member.privateLines = request.ownLines + request.extraLines
    try willChange("record \(owner.container)")
    try state.put(member)
    let older = try state.record(of: owner.container)
    let earlier = older.files.filter { $0.file.path == request.path.description }.flatMap { $0.createdDirectories }
    let missing = try SafePath(request.path).missingDirectories()
    let directories = earlier + missing.filter { !earlier.contains($0) }
    // Recorded before the file exists, so that DEL after a crash removes the directories.
    var kept = ContainerRecord.ManagedFile(
      FileReference(path: request.path.description, device: 0, inode: 0), createdPath: request.path,
      createdDirectories: directories,
      holders: [.init(owner)])
    try willChange("record the files of \(owner.container)")
    try state.put(ContainerRecord(files: older.files + [kept]), of: owner.container)
    try willChange("write \(request.path)")
    let lines = request.ownLines + OwnLines.standard + request.extraLines + others + member.lines
    let file = try NewHostsFile.write(lines, at: request.path)
    kept.file = file.identity
    member.hosts = file.identity
    try willChange("record \(request.path)")
    try state.put(ContainerRecord(files: older.files + [kept]), of: owner.container)
    try willChange("create \(request.path)")
    try file.link()
  }
}

extension ContainerRecord {
  /// Adds `owner` to the users of a file.
  ///
  /// A file that is new in the record counts as not ours, unless `createdPath` has the path under which we created it.
  fileprivate mutating func addHolder(_ file: FileReference, for owner: AttachmentID, createdPath: ContainerPath?) {
    if let index = files.firstIndex(where: { $0.file == file }) {
      let holder = Holder(owner)
      if !files[index].holders.contains(holder) { files[index].holders.append(holder) }
    } else {
      let directories = createdPath.map { SafePath($0).directories } ?? []
      files.append(
        ManagedFile(file, createdPath: createdPath, createdDirectories: directories, holders: [.init(owner)]))
    }
  }
}
