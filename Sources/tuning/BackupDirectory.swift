import CNI
import CNIJSON
import Kernel
import Linux
import NetTypes
import PluginKit

/// The backups of all attachments of this host, one file for each, named as the reference plugin names them.
struct BackupDirectory {
  var path: String

  /// One that is too long, which the reference plugin refuses, is named by a hash.
  private func file(_ container: ContainerID, _ interface: InterfaceName) -> String {
    let stem = "\(container)_\(interface)"
    return (stem.utf8.count <= Self.longestStem ? stem : "#" + Owner.shortHash(stem)) + ".json"
  }

  /// A file's name has at most 255 bytes.
  private static let longestStem = 250

  private func path(of owner: Owner) -> String { "\(path)/\(file(owner.container, owner.interface))" }

  /// What a backup is called until it is whole.
  private static let unfinished = ".tmp"

  private func unfinishedPath(of owner: Owner) -> String {
    let file = file(owner.container, owner.interface)
    return "\(path)/" + (file.utf8.count <= Self.longestStem ? file : "#" + Owner.shortHash(file)) + Self.unfinished
  }

  /// `nil` where there is none, or where another network's attachment has the same names.
  ///
  /// - Throws: code 100 where it cannot be read, code 6 or 7 where it is no backup.
  func backup(of owner: Owner) throws(CNIError) -> Backup? {
    let bytes = try translating { () throws(KernelError) in try Files.readIfPresent(path(of: owner)) }
    guard let bytes else { return nil }
    let backup = try CNIJSON.decode(Backup.self, from: bytes)
    return backup.network == nil || backup.network == owner.network ? backup : nil
  }

  /// Writes a backup, or in its place none.
  func put(_ backup: Backup?, of owner: Owner) throws(KernelError) {
    guard let backup else { return try remove(owner) }
    try Files.makeDirectories(path, mode: 0o700)
    let file = path(of: owner)
    try Files.replace(file, with: backup.wire.bytes, mode: 0o600, through: unfinishedPath(of: owner))
  }

  func remove(_ owner: Owner) throws(KernelError) {
    try Files.remove(path(of: owner))
    try removeUnfinished(owner)
  }

  /// Removes what an ADD left that ended while it wrote.
  func removeUnfinished(_ owner: Owner) throws(KernelError) {
    try Files.remove(unfinishedPath(of: owner))
  }

  /// Removes the network's backups but those of `valid`.
  ///
  /// One that the reference plugin wrote tells no network, so it stays: it may be another's.
  ///
  /// - Throws: code 100 naming every file that could not be read or removed.
  func removeAll(of network: NetworkName, but valid: Set<ValidAttachments.Attachment>) throws(CNIError) {
    let kept = Set(valid.map { file($0.containerID, $0.ifname) })
    var problems: [CNIError] = []
    for name in try translating({ () throws(KernelError) in try Files.list(path) }) ?? [] where !kept.contains(name) {
      do throws(KernelError) {
        guard let bytes = try Files.readIfPresent("\(path)/\(name)") else { continue }
        let backup = try? CNIJSON.decode(Backup.self, from: bytes)  // what is no backup is nobody's
        if backup?.network == network { try Files.remove("\(path)/\(name)") }
      } catch { problems.append(CNIError(error)) }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  /// - Throws: why no backup could be written.
  func probe() throws(KernelError) {
    try Files.makeDirectories(path, mode: 0o700)
    let file = "\(path)/.probe"
    try Files.replace(file, with: [])
    try Files.remove(file)
  }
}
