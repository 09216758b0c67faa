import CNI
import CNIRuntime
import Linux
import NetTypes

/// An attachment, or a part of one, whose container no longer exists.
struct StaleItem {
  /// The same sentence for a dry run and for a removal.
  var sentence: String
  var json: JSONValue
}

/// Keeps other processes from attaching containers to some networks while this value lives.
struct AttachingPause: ~Copyable {
  fileprivate let networks: NetworkLock
  fileprivate let gate: FileLock
}

/// Removes the attachments of containers that are gone, each by its ID, so that no other attachment is touched.
struct GarbageCollector {
  var runtime: Runtime

  private var surveyor: HostSurveyor { HostSurveyor(cache: runtime.cache) }

  func survey(of list: NetworkList) throws(CNIError) -> HostSurvey {
    try surveyor.surveys(of: [list]).first ?? HostSurvey(list.name)
  }

  /// Whether `gc` would remove it: its path leads to no namespace, and no other trace of it leads to a live one.
  func isGone(_ cached: CachedAttachment) throws(CNIError) -> Bool {
    guard ContainerNamespace(of: cached.attachment).presence == .gone else { return false }
    return try survey(of: cached.list).attachments().contains {
      $0.owner == cached.attachment.owner && $0.presence == .gone
    }
  }

  /// Waits for running ADDs to these networks, and keeps new ones waiting while the returned value lives.
  static func pauseAttaching(to networks: [NetworkName]) throws(CNIError) -> AttachingPause {
    // Locks first: `cnictl connect` holds its network's lock while its plugins wait for the gate; else both would block.
    let networks = try NetworkLock(networks)
    do throws(KernelError) {
      return AttachingPause(networks: networks, gate: try AttachGate.close())
    } catch { throw CNIError(.tryAgainLater, "\(error)") }
  }

  /// Removes what is stale in one network.
  ///
  /// - Parameters:
  ///   - list: the network.
  ///   - dryRun: changes nothing.
  ///   - report: gets each thing that was removed or, in a dry run, would be.
  /// - Throws: all failures; one failure does not stop the rest.
  func collect(_ list: NetworkList, dryRun: Bool, report: (StaleItem) -> Void) throws(CNIError) {
    guard !list.disableGC else {
      throw CNIError(.unsupportedField, "network \(list.name): GC is disabled by its key \"disableGC\"")
    }
    let before = try survey(of: list)
    let stale = before.attachments().filter { $0.presence == .gone }
    let leftovers = list.version >= Command.gc.since ? before.leftovers() : []
    let sentences = leftovers.map { "\(list.name): stale: \($0)" }
    if dryRun {
      for surveyed in stale { report(try staleItem(surveyed)) }
      return sentences.forEach { report(StaleItem(sentence: $0, json: json($0, of: list))) }
    }
    var errors: [CNIError] = []
    for surveyed in stale {
      do throws(CNIError) { try remove(surveyed, with: list, report) } catch { errors.append(error) }
    }
    do throws(CNIError) {
      try runPluginGC(of: list, without: Set(stale.map(\.owner)))
      sentences.forEach { report(StaleItem(sentence: $0, json: json($0, of: list))) }
    } catch { errors.append(error) }
    if let error = CNIError(joining: errors) { throw error }
  }

  /// Runs GC of the plugins; what was attached after the first survey is valid too.
  private func runPluginGC(of list: NetworkList, without stale: Set<AttachmentID>) throws(CNIError) {
    guard list.version >= Command.gc.since else { return }
    let attachments = try survey(of: list).attachments()
    let valid = attachments.filter { $0.presence != .gone || !stale.contains($0.owner) }
    try runtime.runPluginGC(
      of: list, valid: Set(valid.map { NetworkAttachment(owner: $0.owner, namespacePath: "").key }))
  }

  /// Networks with cached attachments that are no longer configured, as their ADDs had them.
  func orphans(except configured: [NetworkName]) throws(CNIError) -> [NetworkList] {
    var known = Set(configured)
    var lists: [NetworkList] = []
    for entry in try runtime.cache.entries() where known.insert(entry.attachment.owner.network).inserted {
      lists.append(try CachedAttachment(entry).list)
    }
    return lists
  }

  /// Removes stale attachments to networks that are no longer configured.
  func collect(orphans lists: [NetworkList], dryRun: Bool, report: (StaleItem) -> Void) throws(CNIError) {
    var errors: [CNIError] = []
    for survey in try surveyor.surveys(of: lists) {
      for surveyed in survey.attachments() where surveyed.presence == .gone && surveyed.isCached {
        do throws(CNIError) {
          if dryRun { report(try staleItem(surveyed)) } else { try remove(surveyed, with: nil, report) }
        } catch { errors.append(error) }
      }
    }
    if let error = CNIError(joining: errors) { throw error }
  }

  /// Calls DEL for one attachment, with `list` or else with the configuration that its ADD had.
  func remove(
    _ surveyed: SurveyedAttachment, with list: NetworkList?, _ report: (StaleItem) -> Void
  ) throws(CNIError) {
    // A runtime may be attaching a new container of the same name.
    let name = ContainerInterfaceName(
      container: "\(surveyed.owner.container)", interface: "\(surveyed.owner.interface)")
    guard !HostNamespaces.attachmentsInProgress().contains(name) else { return }
    let entry = try runtime.cache.entry(surveyed.owner)
    if let entry, !surveyed.isCached || ContainerNamespace(of: entry.attachment).presence != .gone { return }
    let removed = try staleItem(surveyed)
    let attachment = entry?.attachment ?? NetworkAttachment(owner: surveyed.owner, namespacePath: "")
    if let list {
      try runtime.delete(list, attachment)
    } else if let entry {
      try runtime.delete(CachedAttachment(entry).list, attachment)
    }
    report(removed)
  }

  private func staleItem(_ surveyed: SurveyedAttachment) throws(CNIError) -> StaleItem {
    let cached = try runtime.cache.entry(surveyed.owner)?.attachment
    let attachment = cached ?? NetworkAttachment(owner: surveyed.owner, namespacePath: "")
    let traces = JSONValue.array(surveyed.traces.map { .string($0) })
    return StaleItem(
      sentence: surveyed.sentence,
      json: .object(attachment.members.merging(["traces": traces]) { own, _ in own }))
  }

  private func json(_ sentence: String, of list: NetworkList) -> JSONValue {
    .object(["network": .string(list.name.description), "traces": .array([.string(sentence)])])
  }
}
