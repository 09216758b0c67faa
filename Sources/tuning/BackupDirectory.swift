import CNI
import Kernel
import Linux
import NetTypes
import PluginKit

/// The backups of all attachments of this host, one file for each.
///
/// It has the reference plugin's name where that can be no other attachment's, and one of our own where it can.
struct BackupDirectory {
  var path: String

  /// What is kept of an attachment.
  ///
  /// - Parameters:
  ///   - owner: the attachment.
  ///   - older: also what an earlier version wrote under a name that two attachments can have.
  /// - Returns: `nil` where there is none, or where another network's attachment has the same names.
  /// - Throws: code 100 where it cannot be read, code 6 or 7 where it is no backup.
  func backup(of owner: Owner, older: Bool) throws(CNIError) -> Backup? {
    let names = BackupNames(owner)
    if let own = try read(names.own), own.attachment == nil || own.attachment == names.attachment { return own }
    guard names.isUnmistakable || older, let shared = try read(names.shared) else { return nil }
    return shared.network == nil || shared.network == owner.network ? shared : nil
  }

  private func read(_ name: String) throws(CNIError) -> Backup? {
    switch try translating({ () throws(KernelError) in try Files.state("\(path)/\(name)") }) {
    case .missing: nil
    case .content(let bytes): try CNIJSON.decode(Backup.self, from: bytes)
    case .other: throw CNIError(.decodingFailure, "\(path)/\(name): want a regular file")
    }
  }

  /// Writes a backup, or in its place none.
  func put(_ backup: Backup?, of owner: Owner) throws(KernelError) {
    guard var backup else { return try remove(owner) }
    try makeDirectory()
    let names = BackupNames(owner)
    let isShared = names.isUnmistakable ? try isFree(names.shared, for: owner) : false
    backup.attachment = !isShared && names.isHashed ? names.attachment : nil
    let name = isShared ? names.shared : names.own
    if !isShared, names.isHashed, let other = try? read(name), other.attachment != names.attachment {
      throw KernelError(
        "write \(path)/\(name)", errno: .EEXIST, reason: "it is the backup of \(other.attachment ?? "another")")
    }
    // Whole from the start, so that GC sees whose it is.
    let unfinished = BackupNames.unfinished(name)
    try clear(unfinished)
    try Files.create(unfinished, in: path, backup.wire.bytes)
    do throws(KernelError) {
      try Files.moveOver("\(path)/\(unfinished)", "\(path)/\(name)")
    } catch {
      try? Files.remove("\(path)/\(unfinished)")  // the first error is thrown
      throw error
    }
  }

  /// Only for root, below directories for all.
  private func makeDirectory() throws(KernelError) {
    if let slash = path.lastIndex(of: "/"), slash > path.startIndex {
      try Files.makeDirectories(String(path[..<slash]))
    }
    try Files.makeDirectories(path, mode: 0o700)
  }

  /// Whether no other network's attachment has a file of that name.
  private func isFree(_ name: String, for owner: Owner) throws(KernelError) -> Bool {
    guard let bytes = try Files.state("\(path)/\(name)").bytes else { return true }
    // What is no backup helps nobody and is replaced.
    guard let there = try? CNIJSON.decode(Backup.self, from: bytes) else { return true }
    return there.network == nil || there.network == owner.network
  }

  /// - Throws: what the file system said; a directory that is not empty stays, with a warning.
  func remove(_ owner: Owner) throws(KernelError) {
    let names = BackupNames(owner)
    if names.isHashed, let other = try? read(names.own), other.attachment != names.attachment {
      // Another's: left where it is.
    } else {
      try clear(names.own)
    }
    if try isFree(names.shared, for: owner) { try clear(names.shared) }
    try removeUnfinished(owner)
  }

  private func clear(_ name: String) throws(KernelError) {
    if try !Files.clear("\(path)/\(name)") { warn("\(path)/\(name): a directory that is not empty stays") }
  }

  /// Removes what an ADD left that ended while it wrote.
  func removeUnfinished(_ owner: Owner) throws(KernelError) {
    let names = BackupNames(owner)
    for name in [names.own, names.shared] { try clear(BackupNames.unfinished(name)) }
  }

  /// Removes the network's backups but those of `valid`.
  ///
  /// One that the reference plugin wrote tells no network, so it stays: it may be another's.
  ///
  /// - Throws: code 100 naming every file that could not be read or removed.
  func removeAll(of network: NetworkName, but valid: Set<ValidAttachments.Attachment>) throws(CNIError) {
    let kept = Set(
      valid.flatMap {
        let names = BackupNames(Owner(network: network, container: $0.containerID, interface: $0.ifname))
        return [names.own, names.shared]
      })
    var problems: [CNIError] = []
    for name in try translating({ () throws(KernelError) in try Files.list(path) }) ?? [] where !kept.contains(name) {
      do throws(KernelError) {
        guard let bytes = try Files.state("\(path)/\(name)").bytes else { continue }
        let backup = try? CNIJSON.decode(Backup.self, from: bytes)  // what is no backup is nobody's
        if backup?.network == network { try Files.remove("\(path)/\(name)") }
      } catch { problems.append(CNIError(error)) }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  /// - Throws: why no backup could be written.
  func probe() throws(KernelError) {
    try makeDirectory()
    let file = "\(path)/.probe"
    try Files.replace(file, with: [])
    try Files.remove(file)
  }
}
