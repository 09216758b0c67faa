import CNI
import Kernel
import NetTypes
import PluginKit

/// Changes an interface that an earlier plugin of the chain created, and sysctls of the container.
struct Tuning<Host: Kernel & ~Copyable>: Plugin {
  typealias Config = TuningConfig

  static var name: String { "tuning" }
  static var namespaceRule: NamespaceRule { .container }
  static var refusesRepeatedKeys: Bool { true }

  let openKernel: (String?) throws(KernelError) -> Host
  let allowListPath: String

  /// - Parameters:
  ///   - allowListPath: the path of the administrator's list of sysctls.
  ///   - openKernel: opens the kernel with a container's namespace.
  init(allowListPath: String = AllowList.path, on openKernel: @escaping (String?) throws(KernelError) -> Host) {
    self.allowListPath = allowListPath
    self.openKernel = openKernel
  }

  /// Reads only the backup directory, for DEL with a configuration that is otherwise not valid.
  static func partialConfig(_ configuration: JSONValue) -> TuningConfig? {
    let directory = configuration.member("dataDir")?.value.string ?? ""
    return TuningConfig(
      dataDir: directory.isEmpty ? StatePaths.tuningBackups : directory, own: Config.RequestedValues())
  }

  func checkSettings(_ call: Call<Config>) throws(CNIError) { _ = try checkedSettings(call) }

  private func checkedSettings(_ call: Call<Config>) throws(CNIError) -> TuningSettings {
    let settings = try TuningSettings(call)
    if !settings.names.isEmpty { try AllowList(at: allowListPath).check(settings.names) }
    return settings
  }

  func add(_ call: Call<Config>, commit: Commit) throws(CNIError) {
    let settings = try checkedSettings(call)
    guard let previous = call.previous else {
      throw CNIError(.invalidNetworkConfig, "missing prevResult: tuning must be called as chained plugin")
    }
    // podman adds an empty `tuning` to every network.
    guard !settings.isEmpty else { return try commit(previous) }
    var transaction = Transaction(
      call.prepared(try convertingErrors { () throws(KernelError) in try openKernel(call.namespacePath) }))
    let hostState = try readHostState(settings, call.owner.interface, at: &transaction.kernel)
    let plan = try TuningPlan(settings, hostState, owner: call.owner, previous: previous)
    guard !plan.changes.isEmpty else { return try commit(plan.result) }
    guard !call.isDryRun else { return try applyPlan(plan, in: &transaction, commit) }
    let backups = BackupDirectory(path: call.config.dataDir)
    // A backup that cannot be read is replaced.
    let older = try? backups.backup(of: call.owner, includingOlderNames: false)
    // Written first, so that DEL can restore everything if this process is killed.
    try convertingErrors { () throws(KernelError) in
      try backups.write(older?.completed(by: plan.backup) ?? plan.backup, of: call.owner)
    }
    do throws(CNIError) {
      try convertingErrors { () throws(KernelError) in for change in plan.changes { try transaction.apply(change) } }
      try commit(plan.result)
    } catch {
      let leftovers = transaction.rollBack()
      for leftover in leftovers { warn("not rolled back: \(leftover)") }
      // If the rollback is not complete, DEL needs the backup.
      if leftovers.isEmpty {
        do throws(KernelError) { try backups.write(older, of: call.owner) } catch { warn("not rolled back: \(error)") }
      }
      throw error
    }
  }

  /// Without a backup: there will be nothing to put back.
  private func applyPlan<K: Kernel & ~Copyable>(
    _ plan: TuningPlan, in transaction: inout Transaction<K>, _ commit: Commit
  ) throws(CNIError) {
    try convertingErrors { () throws(KernelError) in for change in plan.changes { try transaction.apply(change) } }
    try commit(plan.result)
  }

  private func readHostState<K: Kernel & ~Copyable>(
    _ settings: TuningSettings, _ interface: InterfaceName, at kernel: inout K
  ) throws(CNIError) -> TuningHostState {
    try convertingErrors { () throws(KernelError) in
      var hostState = TuningHostState(sysctls: [])
      if settings.link != LinkChange() { hostState.link = try kernel.link(interface, on: .container) }
      if settings.link.mac != nil, settings.link.mac != hostState.link?.mac, let link = hostState.link {
        hostState.entry = try kernel.bridgeEntry(of: link)
      }
      for setting in settings.sysctls {
        guard let value = try kernel.sysctl(setting.key, on: .container) else { continue }
        hostState.sysctls.append(Sysctl(setting.key, value))
      }
      return hostState
    }
  }

  func check(_ call: Call<Config>) throws(CNIError) {
    let settings = try TuningSettings(call)
    guard !settings.isEmpty else { return }
    let messages = try convertingErrors { () throws(KernelError) in
      var kernel = call.prepared(try openKernel(call.namespacePath))
      var messages: [String] = []
      if settings.link != LinkChange() {
        let change = Change.changeLink(call.owner.interface, on: .container, settings.link)
        messages += try differences(from: change, on: &kernel)
      }
      messages += try differences(from: .setSysctls(settings.sysctls, on: .container), on: &kernel)
      return messages
    }
    guard !messages.isEmpty else { return }
    throw CNIError(
      .differences, "\(call.owner.interface) is not as ADD left it: \(messages.joined(separator: "; "))")
  }
}

extension Tuning where Host: ~Copyable {
  func delete(_ removal: Removal<Config>) throws(CNIError) {
    let backups = BackupDirectory(path: removal.config?.dataDir ?? StatePaths.tuningBackups)
    let backup: Backup?
    do throws(CNIError) {
      backup = try backups.backup(of: removal.owner, includingOlderNames: true)
    } catch {
      // If the file could not be read now, the next DEL can try again.
      guard error.code != .kernelRefused else { throw error }
      // A file that is no backup never becomes one, so it must not make DEL fail.
      warn("backup of \(removal.owner.interface): \(error)")
      return try convertingErrors { () throws(KernelError) in try backups.remove(removal.owner) }
    }
    guard let backup else {
      return try convertingErrors { () throws(KernelError) in try backups.removeTemporaryFiles(removal.owner) }
    }
    if removal.namespacePath != nil { try restore(backup, removal) }
    try convertingErrors { () throws(KernelError) in try backups.remove(removal.owner) }
  }

  /// Restores as many values as possible.
  ///
  /// - Throws: code 100 with all values that could not be restored; the backup then stays for the next DEL.
  private func restore(_ backup: Backup, _ removal: Removal<Config>) throws(CNIError) {
    let name = removal.owner.interface
    var kernel = removal.prepared(
      try convertingErrors { () throws(KernelError) in try openKernel(removal.namespacePath) })
    let link = try convertingErrors { () throws(KernelError) in try kernel.link(name, on: .container) }
    // The sysctls of a removed interface are gone too; they are optional here, so they are skipped.
    var entry: FDBSpec?
    if let link, backup.link.mac != nil, backup.link.mac != link.mac {
      entry = try convertingErrors { () throws(KernelError) in try kernel.bridgeEntry(of: link) }
    }
    let changes = TuningPlan.changes(link == nil ? LinkChange() : backup.link, backup.sysctls, of: name)
      .updatingFDBEntry(entry)
    var problems: [CNIError] = []
    for change in changes.flatMap({ $0.parts }) {
      do throws(KernelError) { try kernel.apply(change) } catch { problems.append(CNIError(error)) }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  func collectGarbage(_ network: NetworkCall<Config>, valid: Set<ValidAttachments.Attachment>) throws(CNIError) {
    try BackupDirectory(path: network.config.dataDir).removeAll(of: network.name, but: valid)
  }

  func status(_ network: NetworkCall<Config>) throws(CNIError) {
    let names = (network.config.own.sysctls + (network.config.arguments?.sysctls ?? [])).map { $0.name }
    do throws(CNIError) {
      if !names.isEmpty { try AllowList(at: allowListPath).check(names) }
      try convertingErrors { () throws(KernelError) in try BackupDirectory(path: network.config.dataDir).probe() }
    } catch {
      throw CNIError(.notAvailable, error.message, details: error.details)
    }
  }
}

extension Change {
  /// One change for each sysctl, so that a failure does not prevent the restoring of the others.
  fileprivate var parts: [Change] {
    guard case .setSysctls(let settings, let netns) = self else { return [self] }
    return settings.map { .setSysctls([$0], on: netns) }
  }
}
