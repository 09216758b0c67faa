public import CNI
import Glibc
import Kernel
import Linux
public import NetTypes

/// The `resolv.conf` and `hostname` files of containers, together with our records of them.
///
/// A record is written before its file and removed after it. Every function here takes the lock of its container.
public struct ContainerTextFiles {
  let state: StateDirectory
  let host: HostResolvConf
  /// Called with a description before each change; an error that it throws prevents the change.
  let willChange: (String) throws(KernelError) -> Void
  let warn: (String) -> Void

  public init(
    _ state: StateDirectory, host: HostResolvConf = HostResolvConf(), warn: @escaping (String) -> Void = { _ in },
    willChange: @escaping (String) throws(KernelError) -> Void = { _ throws(KernelError) in }
  ) {
    self.state = state
    self.host = host
    self.warn = warn
    self.willChange = willChange
  }
}

extension ContainerTextFiles {
  /// Creates the file or adds the attachment to its users; a file with another program's text is left as it is.
  ///
  /// Can be repeated: the same entries change nothing.
  ///
  /// - Parameters:
  ///   - kind: which of the files.
  ///   - path: the file's path.
  ///   - owner: the attachment.
  ///   - holder: the attachment with the entries that it wants in the file.
  ///   - text: the whole text, if it does not come from the entries.
  ///
  ///
  /// - Throws: the first error; `remove` undoes what was done.
  public func add(
    _ kind: ManagedTextFile.Kind, at path: ContainerPath, for owner: AttachmentID, _ holder: ManagedTextFile.Holder,
    text: String = ""
  ) throws(KernelError) {
    let lock = try ContainerLock(owner.container, in: state)
    defer { _ = lock }
    var record = try state.texts(of: owner.container)
    let before = record
    let safePath = SafePath(path)
    let wasMissing = try safePath.regularStatus() == nil
    guard let index = try index(of: kind, at: safePath, wasMissing, in: &record, text) else { return }
    record.texts[index].addHolder(holder, for: owner)
    if record != before { try put(record, "record \(path)") }
    try willChange("make \(path)")
    let status = try safePath.openOrCreate().status()
    if wasMissing || record.texts[index].inode == nil {
      record.texts[index].setIdentity(from: status)
      // If the file holds the right text already, neither the file nor the record is written again.
      if !wasMissing { try put(record, "record which file \(path) is") }
    }
    let wanted = kind == .hostname ? text : try resolvConf(record.texts[index])
    try rewrite(index, of: &record, with: wanted)
  }

  /// The index of the file in the record; it is added if the record lacks it.
  ///
  /// - Returns: `nil` for a file that another program has written; an empty file was created by the runtime for us.
  private func index(
    of kind: ManagedTextFile.Kind, at safePath: SafePath, _ wasMissing: Bool, in record: inout ContainerTextRecord,
    _ text: String
  ) throws(KernelError) -> Int? {
    if let index = record.texts.firstIndex(where: {
      $0.kind == kind && $0.path.description == safePath.path.description
    }) {
      // The file was removed: it is created again.
      if wasMissing {
        (record.texts[index].isCreatedByUs, record.texts[index].written, record.texts[index].next) = (true, "", nil)
      }
      return index
    }
    // Directories that we created for the hosts file; the hosts file may be removed before this one.
    let ownDirectories = try createdDirectories(of: record.container).filter {
      safePath.path.description.hasPrefix("\($0)/")
    }
    let missing = try safePath.missingDirectories()
    var kept = ManagedTextFile(
      kind, at: safePath.path, isCreatedByUs: wasMissing,
      createdDirectories: ownDirectories + missing.filter { !ownDirectories.contains($0) })
    if !wasMissing, let file = try safePath.open() {
      kept.written = try InPlaceTextFile(file).text()
      let isOurs = kind == .resolvConf && kept.written.hasPrefix(ResolvConf.header)
      guard isOurs || kept.written.isEmpty || kept.written == text else {
        warn("\(safePath.path): left alone: another program wrote it")
        return nil
      }
      // We wrote it for an earlier run of the container, and the record is lost.
      if isOurs { kept.isCreatedByUs = true }
    }
    record.texts.append(kept)
    return record.texts.count - 1
  }

  private func createdDirectories(of container: ContainerID) throws(KernelError) -> [String] {
    do throws(KernelError) { return try state.record(of: container).files.flatMap { $0.createdDirectories } } catch {
      if error.isBrokenState { return [] }
      throw error
    }
  }

  /// The `dns` of one attachment's CNI result: its own entries, completed from the host's file.
  public func dns(for holder: ManagedTextFile.Holder) throws(KernelError) -> DNS {
    var unused: [String] = []  // `rewrite` reports these
    let host = holder.entries.needsHostEntries ? try host.entries(notes: &unused) : PartialResolvConf()
    return ResolvConf([holder.entries], host: host, hasIPv6: holder.hasIPv6, notes: &unused).dns
  }

  func resolvConf(_ kept: ManagedTextFile) throws(KernelError) -> String {
    var notes: [String] = []
    let text = kept.resolvConf(host: try host.entries(notes: &notes), notes: &notes).text
    for note in notes { warn(note) }
    return text
  }

  /// Writes the file, unless another program has changed it.
  ///
  /// - Returns: whether it was written.
  @discardableResult
  func rewrite(_ index: Int, of record: inout ContainerTextRecord, with text: String) throws(KernelError) -> Bool {
    let kept = record.texts[index]
    guard let file = try SafePath(kept.path).open(), kept.isSameFile(try file.status()) else {
      warn("\(kept.path): left alone: no longer the file of container \(record.container)")
      return false
    }
    let live = InPlaceTextFile(file)
    let currentText = try live.text()
    guard kept.isOurs(currentText) else {
      warn("\(kept.path): left alone: another program changed it")
      return false
    }
    guard currentText != text || kept.written != text || kept.next != nil else { return false }
    // The text that an interrupted rewrite left counts as ours too, so it goes into the record.
    record.texts[index].written = currentText
    record.texts[index].next = text
    try put(record, "record what \(kept.path) will be")
    try willChange("write \(kept.path)")
    try live.replace(with: text)
    record.texts[index].next = nil
    record.texts[index].written = text
    try put(record, "record what \(kept.path) is")
    return true
  }

  func put(_ record: ContainerTextRecord, _ what: String) throws(KernelError) {
    try willChange(what)
    try state.put(record)
  }
}

extension ManagedTextFile {
  func isSameFile(_ status: FileStatus) -> Bool { status.device == device && status.inode == inode }

  /// Sets an attachment's entries; earlier ones are replaced at the same position, because the order decides the text.
  fileprivate mutating func addHolder(_ holder: Holder, for owner: AttachmentID) {
    guard let index = holders.firstIndex(where: { $0.belongs(to: owner) }) else { return holders.append(holder) }
    holders[index] = holder
  }

  mutating func setIdentity(from status: FileStatus) { (device, inode) = (status.device, status.inode) }
}

extension ContainerTextFiles {
  /// Removes the attachment's entries, and with the last attachment the files that we created.
  ///
  /// - Returns: the errors; the record then stays, so that DEL or GC can try again.
  public func remove(_ owner: AttachmentID) -> [KernelError] {
    do throws(KernelError) {
      guard try state.hasTexts(of: owner.container) else { return [] }
      let lock = try ContainerLock(owner.container, in: state)
      defer { _ = lock }
      var failures: [KernelError] = []
      var record = try recordUnlessBroken(owner.container)
      for index in record.texts.indices where record.texts[index].isHeld(by: owner) {
        do throws(KernelError) {
          try removeHolder(owner, index, of: &record)
        } catch { failures.append(error) }
      }
      record.texts.removeAll(where: { $0.holders.isEmpty })
      try state.put(record)
      return failures
    } catch { return [error] }
  }

  /// Reads the record; a broken one is reported as a warning, so that DEL of the container still succeeds.
  private func recordUnlessBroken(_ container: ContainerID) throws(KernelError) -> ContainerTextRecord {
    do throws(KernelError) {
      return try state.texts(of: container)
    } catch {
      guard error.isBrokenState else { throw error }
      warn("files of \(container): \(error)")
      return ContainerTextRecord(container)
    }
  }

  private func removeHolder(_ owner: AttachmentID, _ index: Int, of record: inout ContainerTextRecord)
    throws(KernelError)
  {
    let kept = record.texts[index]
    guard kept.holders.allSatisfy({ $0.belongs(to: owner) }) else {
      var rest = kept
      rest.holders.removeAll { $0.belongs(to: owner) }
      // The record keeps the holder until the file is written, so that DEL after a crash repeats the rewrite.
      if kept.kind == .resolvConf { try rewriteUnlessHeld(index, of: &record, with: try resolvConf(rest)) }
      record.texts[index].holders = rest.holders
      return
    }
    if kept.isCreatedByUs {
      // A file that was created but whose inode is not yet in the record is still empty.
      let isOurs = { (status: FileStatus) in kept.inode == nil ? status.size == 0 : kept.isSameFile(status) }
      try SafePath(kept.path).remove(where: isOurs, andEmpty: kept.createdDirectories)
    }
    record.texts[index].holders = []
  }

  /// Rewrites the file; if the container prevents that (a lease, permissions), it warns and leaves the old text.
  ///
  /// The container's next ADD or DEL, or `cnictl repair --dns`, writes it.
  private func rewriteUnlessHeld(
    _ index: Int, of record: inout ContainerTextRecord, with text: String
  ) throws(KernelError) {
    do throws(KernelError) { try rewrite(index, of: &record, with: text) } catch {
      guard error.isCausedByContainer else { throw error }
      warn("container \(record.container) has old name servers until its file can be written: \(error)")
    }
  }

  /// Removes the entries of all attachments of the network that are not in `valid`.
  ///
  /// - Returns: the errors.
  public func removeAll(of network: NetworkName, except valid: Set<AttachmentID>) throws(KernelError) -> [KernelError] {
    var failures: [KernelError] = []
    for record in try state.allTexts() {
      let holders = record.texts.flatMap { $0.holders }.filter { $0.network == network }
      let owners = holders.map {
        AttachmentID(network: $0.network, container: record.container, interface: $0.interface)
      }
      for owner in Set(owners) where !valid.contains(owner) { failures += remove(owner) }
    }
    return failures
  }

  /// How the attachment's files differ from what we wrote; text that another program edited counts.
  public func differences(of owner: AttachmentID) throws(KernelError) -> [String] {
    var differences: [String] = []
    for kept in try state.texts(of: owner.container).texts where kept.isHeld(by: owner) {
      guard let file = try SafePath(kept.path).open() else {
        differences.append("\(kept.path) is missing")
        continue
      }
      guard kept.isSameFile(try file.status()) else {
        differences.append("\(kept.path) was replaced")
        continue
      }
      if try InPlaceTextFile(file).text() != kept.written {
        differences.append("\(kept.path) was changed by another program")
      }
    }
    return differences
  }

  /// Brings the `resolv.conf` of every container up to date with the host's.
  ///
  /// - Returns: the containers whose file was written, and the errors.
  public func updateFromHost() throws(KernelError) -> (written: [ContainerID], failures: [KernelError]) {
    var written: [ContainerID] = []
    var failures: [KernelError] = []
    for container in try state.allTexts().map({ $0.container }) {
      do throws(KernelError) {
        if try updateFromHost(container) { written.append(container) }
      } catch { failures.append(error) }
    }
    return (written, failures)
  }

  private func updateFromHost(_ container: ContainerID) throws(KernelError) -> Bool {
    let lock = try ContainerLock(container, in: state)
    defer { _ = lock }
    var record = try state.texts(of: container)
    var isWritten = false
    for index in record.texts.indices where record.texts[index].kind == .resolvConf {
      let text = try resolvConf(record.texts[index])
      if try rewrite(index, of: &record, with: text) { isWritten = true }
    }
    return isWritten
  }
}

extension StateDirectory {
  private var textDirectory: String { "\(path)/.texts" }

  private func textFile(_ container: ContainerID) -> String { "\(textDirectory)/\(stem(container)).json" }

  func hasTexts(of container: ContainerID) throws(KernelError) -> Bool {
    try Files.statusOfLink(textFile(container)) != nil
  }

  /// The container's record; empty if there is none.
  ///
  /// - Throws: EBADMSG if the file holds no record.
  func texts(of container: ContainerID) throws(KernelError) -> ContainerTextRecord {
    try read(textFile(container)) ?? ContainerTextRecord(container)
  }

  /// Removes the temporary file of a process that was killed while it wrote the record.
  ///
  /// To be called under the container's lock.
  func removeUnfinishedTexts(of container: ContainerID) throws(KernelError) {
    try StateFile.remove(StateFile.unfinished(textFile(container)))
  }

  /// The records of all containers, in the order of their file names; broken ones are left out.
  func allTexts() throws(KernelError) -> [ContainerTextRecord] {
    var records: [ContainerTextRecord] = []
    for name in try namesOfTexts().sorted() where name.hasSuffix(".json") {
      if let record: ContainerTextRecord = try readUnlessBroken("\(textDirectory)/\(name)") { records.append(record) }
    }
    return records
  }

  private func namesOfTexts() throws(KernelError) -> [String] {
    guard try Files.status(textDirectory)?.isDirectory == true else { return [] }
    return try Files.list(textDirectory) ?? []
  }

  /// Writes the record; an empty one removes the file.
  func put(_ record: ContainerTextRecord) throws(KernelError) {
    let file = textFile(record.container)
    guard !record.texts.isEmpty else { return try removeState(file) }
    try SetAside.makeDirectory(textDirectory)
    try StateFile.replace(file, with: record.json.bytes)
  }
}
