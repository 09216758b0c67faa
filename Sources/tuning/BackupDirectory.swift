import CNI
import Kernel
import Linux
import NetTypes
import PluginKit

/// The backups of all attachments of this host, one file for each.
///
/// A file has the reference plugin's name, unless another attachment could have the same; then it has a name of ours.
struct BackupDirectory {
  private let files: RecordDirectory

  init(path: String) { files = RecordDirectory(path, mode: 0o700) }

  /// Reads the backup of an attachment.
  ///
  /// - Parameters:
  ///   - owner: the attachment.
  ///   - includingOlderNames: whether to read also a file of an earlier version, whose name two attachments can share.
  /// - Returns: `nil` if there is none, or if the file belongs to another network's attachment of the same names.
  /// - Throws: code 100 if it cannot be read, code 6 or 7 if it is no backup.
  func backup(of owner: AttachmentID, includingOlderNames: Bool) throws(CNIError) -> Backup? {
    let names = BackupNames(owner)
    if let own = try read(names.own), own.attachment == nil || own.attachment == names.attachment { return own }
    guard names.isSharedNameUnique || includingOlderNames, let shared = try read(names.shared) else { return nil }
    return shared.network == nil || shared.network == owner.network ? shared : nil
  }

  private func read(_ name: String) throws(CNIError) -> Backup? {
    switch try convertingErrors({ () throws(KernelError) in try Files.state(files.file(name)) }) {
    case .missing: nil
    case .content(let bytes): try CNIJSON.decode(Backup.self, from: bytes)
    case .other: throw CNIError(.decodingFailure, "\(files.file(name)): want a regular file")
    }
  }

  /// Writes a backup; `nil` removes it.
  func write(_ backup: Backup?, of owner: AttachmentID) throws(KernelError) {
    guard var backup else { return try remove(owner) }
    try files.make()
    let names = BackupNames(owner)
    let isShared = names.isSharedNameUnique ? try isFree(names.shared, for: owner) : false
    backup.attachment = !isShared && names.isHashed ? names.attachment : nil
    let name = isShared ? names.shared : names.own
    if !isShared, names.isHashed, let other = try? read(name), other.attachment != names.attachment {
      throw KernelError(
        "write \(files.file(name))", errno: .EEXIST, reason: "it is the backup of \(other.attachment ?? "another")")
    }
    // Renamed when complete, so that GC always finds a network in it.
    let temporaryName = BackupNames.temporaryName(name)
    try clear(temporaryName)
    try Files.create(temporaryName, in: files.path, backup.json.bytes)
    do throws(KernelError) {
      try Files.moveOver(files.file(temporaryName), files.file(name))
    } catch {
      try? files.remove(temporaryName)  // the first error is thrown
      throw error
    }
  }

  /// Whether no attachment of another network has a file of that name.
  private func isFree(_ name: String, for owner: AttachmentID) throws(KernelError) -> Bool {
    guard let bytes = try files.readRegular(name) else { return true }
    // A file that is no backup is replaced.
    guard let existing = try? CNIJSON.decode(Backup.self, from: bytes) else { return true }
    return existing.network == nil || existing.network == owner.network
  }

  /// Removes the attachment's backups; a directory in their place that is not empty stays, with a warning.
  func remove(_ owner: AttachmentID) throws(KernelError) {
    let names = BackupNames(owner)
    if names.isHashed, let other = try? read(names.own), other.attachment != names.attachment {
      // Another attachment's backup is left alone.
    } else {
      try clear(names.own)
    }
    if try isFree(names.shared, for: owner) { try clear(names.shared) }
    try removeTemporaryFiles(owner)
  }

  private func clear(_ name: String) throws(KernelError) {
    if try !files.clear(name) { warn("\(files.file(name)): not removed: the directory is not empty") }
  }

  /// Removes the temporary files of an ADD that was killed while it wrote.
  func removeTemporaryFiles(_ owner: AttachmentID) throws(KernelError) {
    let names = BackupNames(owner)
    for name in [names.own, names.shared] { try clear(BackupNames.temporaryName(name)) }
  }

  /// Removes the network's backups, except those of `valid`.
  ///
  /// A backup by the reference plugin has no network, so it stays: it may belong to another network.
  ///
  /// - Throws: code 100 with every file that could not be read or removed.
  func removeAll(of network: NetworkName, but valid: Set<ValidAttachments.Attachment>) throws(CNIError) {
    let kept = Set(
      valid.flatMap {
        let names = BackupNames(AttachmentID(network: network, container: $0.containerID, interface: $0.ifname))
        return [names.own, names.shared]
      })
    var problems: [CNIError] = []
    for name in try convertingErrors({ () throws(KernelError) in try files.names() }) where !kept.contains(name) {
      do throws(KernelError) {
        guard let bytes = try files.readRegular(name) else { continue }
        let backup = try? CNIJSON.decode(Backup.self, from: bytes)  // a file that is no backup stays
        if backup?.network == network { try files.remove(name) }
      } catch { problems.append(CNIError(error)) }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  /// Checks that backups can be written, for STATUS.
  ///
  /// - Throws: why they cannot.
  func probe() throws(KernelError) {
    try files.write(".probe", [])
    try files.remove(".probe")
  }
}
