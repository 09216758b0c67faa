import ArgumentParser
import CNI
import CNIRuntime
import NetTypes

struct CollectGarbage: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gc", abstract: "Remove what belongs to containers whose namespace is gone.",
    discussion: """
      Without arguments in every network, those whose configuration is gone too. A namespace is gone where its path \
      leads to none, seen from here.
      """)

  @OptionGroup var common: CommonOptions
  @Flag(help: "Only say what is stale.") var dryRun = false
  @Argument(help: "Names, or starts of ids.", completion: networkNames) var networks: [String] = []

  func run() throws {
    try common.report { () throws(CNIError) in
      let contents = try common.load()
      var entries = contents.entries.filter { !$0.list.disableGC }
      if !networks.isEmpty {
        entries = []
        for network in networks { entries.append(try contents.entry(network)) }
      }
      var errors: [CNIError] = []
      var removed: [JSONValue] = []
      for entry in entries {
        do throws(CNIError) { removed += try collect(entry.list) } catch { errors.append(error) }
      }
      if networks.isEmpty { removed += try collectOrphans(besides: contents.entries.map(\.list.name)) }
      if let error = CNIError(joining: errors) { throw error }
      if common.json { try common.printJSON([dryRun ? "stale" : "removed": .array(removed)]) }
    }
  }

  private func collect(_ list: NetworkList) throws(CNIError) -> [JSONValue] {
    let attachments = try common.runtime.cache.entries(of: list.name).map(\.attachment)
    let stale = attachments.filter { ContainerNamespace(of: $0).presence == .gone }
    let live = attachments.filter { !stale.contains($0) }
    if !dryRun { try common.runtime.collectGarbage(list, valid: Set(live.map(\.key))) }
    return stale.map(told)
  }

  /// Stale attachments to networks that are configured no more: what ADD was given is kept.
  private func collectOrphans(besides networks: [NetworkName]) throws(CNIError) -> [JSONValue] {
    var removed: [JSONValue] = []
    for entry in try common.runtime.cache.entries() {
      let attachment = entry.attachment
      guard !networks.contains(attachment.owner.network), ContainerNamespace(of: attachment).presence == .gone else {
        continue
      }
      if !dryRun { try common.runtime.delete(KnownAttachment(entry).list, attachment) }
      removed.append(told(attachment))
    }
    return removed
  }

  private func told(_ attachment: NetworkAttachment) -> JSONValue {
    if !common.json { print("\(attachment.sentence): \(dryRun ? "stale" : "removed")") }
    return attachment.json
  }
}
