public import CNI
import Linux
public import NetTypes

extension LiveTexts {
  /// Removes the attachment's entries, and with the last attachment the files that we created.
  ///
  /// - Returns: the errors; the record then stays, so that DEL or GC can try again.
  public func remove(_ owner: Owner) -> [KernelError] {
    do throws(KernelError) {
      guard try state.hasTexts(of: owner.container) else { return [] }
      let lock = try ContainerLock(owner.container, in: state)
      defer { _ = lock }
      var failures: [KernelError] = []
      var record = try readable(owner.container)
      for index in record.texts.indices where record.texts[index].isHeld(by: owner) {
        do throws(KernelError) {
          try letGo(owner, index, of: &record)
        } catch { failures.append(error) }
      }
      record.texts.removeAll(where: \.holders.isEmpty)
      try state.put(record)
      return failures
    } catch { return [error] }
  }

  /// Reads the record; a broken one is reported as a warning, so that DEL of the container still succeeds.
  private func readable(_ container: ContainerID) throws(KernelError) -> TextRecord {
    do throws(KernelError) {
      return try state.texts(of: container)
    } catch {
      guard error.isBrokenState else { throw error }
      warn("files of \(container): \(error)")
      return TextRecord(container)
    }
  }

  private func letGo(_ owner: Owner, _ index: Int, of record: inout TextRecord) throws(KernelError) {
    let kept = record.texts[index]
    guard kept.holders.allSatisfy({ $0.isOf(owner) }) else {
      var rest = kept
      rest.holders.removeAll { $0.isOf(owner) }
      // The record keeps the holder until the file is written, so that DEL after a crash repeats the rewrite.
      if kept.kind == .resolvConf { try rewriteUnlessHeld(index, of: &record, with: try resolvConf(rest)) }
      record.texts[index].holders = rest.holders
      return
    }
    if kept.isMade {
      // A file that was created but whose inode is not yet in the record is still empty.
      let isOurs = { (status: FileStatus) in kept.inode == nil ? status.size == 0 : kept.isStill(status) }
      try FilePlace(kept.path).remove(where: isOurs, andEmpty: kept.madeDirectories)
    }
    record.texts[index].holders = []
  }

  /// Rewrites the file; if the container prevents that (a lease, permissions), it warns and leaves the old text.
  ///
  /// The container's next ADD or DEL, or `cnictl repair --dns`, writes it.
  private func rewriteUnlessHeld(
    _ index: Int, of record: inout TextRecord, with text: String
  ) throws(KernelError) {
    do throws(KernelError) { try rewrite(index, of: &record, with: text) } catch {
      guard error.isOfContainer else { throw error }
      warn("container \(record.container) has old name servers until its file can be written: \(error)")
    }
  }

  /// Removes the entries of all attachments of the network that are not in `valid`.
  ///
  /// - Returns: the errors.
  public func removeAll(of network: NetworkName, but valid: Set<Owner>) throws(KernelError) -> [KernelError] {
    var failures: [KernelError] = []
    for record in try state.allTexts() {
      let holders = record.texts.flatMap(\.holders).filter { $0.network == network }
      let owners = holders.map { Owner(network: $0.network, container: record.container, interface: $0.interface) }
      for owner in Set(owners) where !valid.contains(owner) { failures += remove(owner) }
    }
    return failures
  }

  /// How the attachment's files differ from what we wrote; text that another program edited counts.
  public func differences(of owner: Owner) throws(KernelError) -> [String] {
    var found: [String] = []
    for kept in try state.texts(of: owner.container).texts where kept.isHeld(by: owner) {
      guard let file = try FilePlace(kept.path).open() else {
        found.append("\(kept.path) is missing")
        continue
      }
      guard kept.isStill(try file.status()) else {
        found.append("\(kept.path) is another file")
        continue
      }
      if try LiveText(file).text() != kept.written { found.append("\(kept.path) was changed by somebody else") }
    }
    return found
  }

  /// Brings the `resolv.conf` of every container up to date with the host's.
  ///
  /// - Returns: the containers whose file was written, and the errors.
  public func followHost() throws(KernelError) -> (written: [ContainerID], failures: [KernelError]) {
    var written: [ContainerID] = []
    var failures: [KernelError] = []
    for container in try state.allTexts().map(\.container) {
      do throws(KernelError) {
        if try followHost(container) { written.append(container) }
      } catch { failures.append(error) }
    }
    return (written, failures)
  }

  private func followHost(_ container: ContainerID) throws(KernelError) -> Bool {
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
  func texts(of container: ContainerID) throws(KernelError) -> TextRecord {
    try read(textFile(container)) ?? TextRecord(container)
  }

  /// Removes the temporary file of a process that was killed while it wrote the record.
  ///
  /// To be called under the container's lock.
  func removeUnfinishedTexts(of container: ContainerID) throws(KernelError) {
    try StateFile.remove(StateFile.unfinished(textFile(container)))
  }

  /// The records of all containers, in the order of their file names; broken ones are left out.
  func allTexts() throws(KernelError) -> [TextRecord] {
    var records: [TextRecord] = []
    for name in try namesOfTexts().sorted() where name.hasSuffix(".json") {
      if let record: TextRecord = try readUnlessBroken("\(textDirectory)/\(name)") { records.append(record) }
    }
    return records
  }

  private func namesOfTexts() throws(KernelError) -> [String] {
    guard try Files.status(textDirectory)?.isDirectory == true else { return [] }
    return try Files.list(textDirectory) ?? []
  }

  /// Writes the record; an empty one removes the file.
  func put(_ record: TextRecord) throws(KernelError) {
    let file = textFile(record.container)
    guard !record.texts.isEmpty else { return try removeState(file) }
    try SetAside.makeDirectory(textDirectory)
    try StateFile.replace(file, with: record.json.bytes)
  }
}
