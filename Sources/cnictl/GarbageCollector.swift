import CNI
import CNIRuntime
import Linux
import NetTypes

/// An attachment, or a part of one, whose container no longer exists.
struct StaleThing {
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

  private var look: HostLook { HostLook(cache: runtime.cache) }

  func survey(of list: NetworkList) throws(CNIError) -> HostSurvey {
    try look.surveys(of: [list]).first ?? HostSurvey(list.name)
  }

  /// Whether `gc` would remove it: its path leads to no namespace, and no other trace of it leads to a live one.
  func isGone(_ known: KnownAttachment) throws(CNIError) -> Bool {
    guard ContainerNamespace(of: known.attachment).presence == .gone else { return false }
    return try survey(of: known.list).standings().contains {
      $0.owner == known.attachment.owner && $0.presence == .gone
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
  ///   - tell: gets each thing that was removed or, in a dry run, would be.
  /// - Throws: all failures; one failure does not stop the rest.
  func collect(_ list: NetworkList, dryRun: Bool, tell: (StaleThing) -> Void) throws(CNIError) {
    guard !list.disableGC else {
      throw CNIError(.unsupportedField, "network \(list.name): GC is disabled by its key \"disableGC\"")
    }
    let before = try survey(of: list)
    let stale = before.standings().filter { $0.presence == .gone }
    let unnamed = list.version >= Command.gc.since ? before.unnamed() : []
    let words = unnamed.map { "\(list.name): stale: \($0)" }
    if dryRun {
      for standing in stale { tell(try thing(standing)) }
      return words.forEach { tell(StaleThing(sentence: $0, json: json($0, of: list))) }
    }
    var errors: [CNIError] = []
    for standing in stale {
      do throws(CNIError) { try remove(standing, with: list, tell) } catch { errors.append(error) }
    }
    do throws(CNIError) {
      try tellPlugins(of: list, without: Set(stale.map(\.owner)))
      words.forEach { tell(StaleThing(sentence: $0, json: json($0, of: list))) }
    } catch { errors.append(error) }
    if let error = CNIError(joining: errors) { throw error }
  }

  /// Runs GC of the plugins; what was attached after the first survey is valid too.
  private func tellPlugins(of list: NetworkList, without stale: Set<AttachmentID>) throws(CNIError) {
    guard list.version >= Command.gc.since else { return }
    let now = try survey(of: list).standings()
    let valid = now.filter { $0.presence != .gone || !stale.contains($0.owner) }
    try runtime.tellPlugins(
      of: list, valid: Set(valid.map { NetworkAttachment(owner: $0.owner, namespacePath: "").key }))
  }

  /// Networks with cached attachments that are no longer configured, as their ADDs had them.
  func orphans(except configured: [NetworkName]) throws(CNIError) -> [NetworkList] {
    var known = Set(configured)
    var lists: [NetworkList] = []
    for entry in try runtime.cache.entries() where known.insert(entry.attachment.owner.network).inserted {
      lists.append(try KnownAttachment(entry).list)
    }
    return lists
  }

  /// Removes stale attachments to networks that are no longer configured.
  func collect(orphans lists: [NetworkList], dryRun: Bool, tell: (StaleThing) -> Void) throws(CNIError) {
    var errors: [CNIError] = []
    for survey in try look.surveys(of: lists) {
      for standing in survey.standings() where standing.presence == .gone && standing.isCached {
        do throws(CNIError) {
          if dryRun { tell(try thing(standing)) } else { try remove(standing, with: nil, tell) }
        } catch { errors.append(error) }
      }
    }
    if let error = CNIError(joining: errors) { throw error }
  }

  /// Calls DEL for one attachment, with `list` or else with the configuration that its ADD had.
  func remove(
    _ standing: Standing, with list: NetworkList?, _ tell: (StaleThing) -> Void
  ) throws(CNIError) {
    // A runtime may be attaching a new container of the same name.
    let name = AttachedName(container: "\(standing.owner.container)", interface: "\(standing.owner.interface)")
    guard !HostNamespaces.attaching().contains(name) else { return }
    let entry = try runtime.cache.entry(standing.owner)
    if let entry, !standing.isCached || ContainerNamespace(of: entry.attachment).presence != .gone { return }
    let removed = try thing(standing)
    let attachment = entry?.attachment ?? NetworkAttachment(owner: standing.owner, namespacePath: "")
    if let list {
      try runtime.delete(list, attachment)
    } else if let entry {
      try runtime.delete(KnownAttachment(entry).list, attachment)
    }
    tell(removed)
  }

  private func thing(_ standing: Standing) throws(CNIError) -> StaleThing {
    let known = try runtime.cache.entry(standing.owner)?.attachment
    let attachment = known ?? NetworkAttachment(owner: standing.owner, namespacePath: "")
    let traces = JSONValue.array(standing.traces.map { .string($0) })
    return StaleThing(
      sentence: standing.sentence,
      json: .object(attachment.members.merging(["traces": traces]) { own, _ in own }))
  }

  private func json(_ words: String, of list: NetworkList) -> JSONValue {
    .object(["network": .string(list.name.description), "traces": .array([.string(words)])])
  }
}
