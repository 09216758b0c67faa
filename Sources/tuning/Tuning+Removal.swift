import CNI
import Kernel
import NetTypes
import PluginKit

extension Tuning where Host: ~Copyable {
  func delete(_ removal: Removal<Config>) throws(CNIError) {
    let backups = BackupDirectory(path: removal.config?.dataDir ?? Config.defaultDataDir)
    let backup: Backup?
    do throws(CNIError) {
      backup = try backups.backup(of: removal.owner, older: true)
    } catch {
      // If the file could not be read now, the next DEL can try again.
      guard error.code != .kernelRefused else { throw error }
      // A file that is no backup never becomes one, so it must not make DEL fail.
      warn("backup of \(removal.owner.interface): \(error)")
      return try translating { () throws(KernelError) in try backups.remove(removal.owner) }
    }
    guard let backup else {
      return try translating { () throws(KernelError) in try backups.removeUnfinished(removal.owner) }
    }
    if removal.namespacePath != nil { try restore(backup, removal) }
    try translating { () throws(KernelError) in try backups.remove(removal.owner) }
  }

  /// Restores as many values as possible.
  ///
  /// - Throws: code 100 with all values that could not be restored; the backup then stays for the next DEL.
  private func restore(_ backup: Backup, _ removal: Removal<Config>) throws(CNIError) {
    let name = removal.owner.interface
    var kernel = removal.traced(
      try translating { () throws(KernelError) in try openKernel(removal.namespacePath) })
    let link = try translating { () throws(KernelError) in try kernel.link(name, on: .container) }
    // The sysctls of a removed interface are gone too; they are optional here, so they are skipped.
    var entry: FDBSpec?
    if let link, backup.link.mac != nil, backup.link.mac != link.mac {
      entry = try translating { () throws(KernelError) in try kernel.bridgeEntry(of: link) }
    }
    let changes = TuningPlan.changes(link == nil ? LinkChange() : backup.link, backup.sysctls, of: name)
      .following(entry)
    var problems: [CNIError] = []
    for change in changes.flatMap(\.parts) {
      do throws(KernelError) { try kernel.apply(change) } catch { problems.append(CNIError(error)) }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  func collectGarbage(_ network: Network<Config>, valid: Set<ValidAttachments.Attachment>) throws(CNIError) {
    try BackupDirectory(path: network.config.dataDir).removeAll(of: network.name, but: valid)
  }

  func status(_ network: Network<Config>) throws(CNIError) {
    let names = (network.config.own.sysctls + (network.config.arguments?.sysctls ?? [])).map(\.name)
    do throws(CNIError) {
      if !names.isEmpty { try AllowList(at: allowListPath).check(names) }
      try translating { () throws(KernelError) in try BackupDirectory(path: network.config.dataDir).probe() }
    } catch {
      throw CNIError(.notAvailable, error.message, details: error.details)
    }
  }
}

extension Change {
  /// One change for each sysctl, so that a failure does not prevent the restoring of the others.
  fileprivate var parts: [Change] {
    guard case .setSysctls(let settings, let side) = self else { return [self] }
    return settings.map { .setSysctls([$0], on: side) }
  }
}
