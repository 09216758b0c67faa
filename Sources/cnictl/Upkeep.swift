import ArgumentParser
import CNI
import CNIRuntime
import NetTypes

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Ask the plugins whether attachments are as they were made.",
    discussion: "Without arguments every attachment of every network is checked.")

  @OptionGroup var common: CommonOptions
  @Argument(help: "The network's name.", completion: networkNames, transform: parsed) var network: NetworkName?
  @Argument(help: "A name under /run/netns, or a path.", completion: namespaceNames) var netns: String?

  func run() throws {
    try common.report { () throws(CNIError) in
      let filter = AttachmentFilter(network: network, namespace: netns.map { ContainerNamespace($0) })
      let entries = try filter.find(in: common.runtime.cache)
      guard !entries.isEmpty || network == nil else {
        throw CNIError(
          .unknownContainer,
          "nothing to check: \(netns.map { "\($0) is not" } ?? "nothing is") on network \(filter.name)")
      }
      var errors: [CNIError] = []
      for entry in entries {
        let known = try KnownAttachment(entry)
        do throws(CNIError) {
          try common.runtime.check(known.list, known.attachment)
          if !common.json { print("\(known.attachment.sentence): ok") }
        } catch {
          errors.append(error)
          if !common.json { print("\(known.attachment.sentence): differs") }
        }
      }
      if let error = CNIError(joining: errors) { throw error }
      if common.json { try common.printJSON(["checked": .integer(Int64(entries.count))]) }
    }
  }
}

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
    let live = attachments.filter { ContainerNamespace($0.namespacePath).exists }
    let stale = attachments.filter { !live.contains($0) }
    if !dryRun { try common.runtime.collectGarbage(list, valid: Set(live.map(\.key))) }
    return stale.map(told)
  }

  /// Stale attachments to networks that are configured no more: what ADD was given is kept.
  private func collectOrphans(besides networks: [NetworkName]) throws(CNIError) -> [JSONValue] {
    var removed: [JSONValue] = []
    for entry in try common.runtime.cache.entries() {
      let attachment = entry.attachment
      guard !networks.contains(attachment.owner.network), !ContainerNamespace(attachment.namespacePath).exists else {
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

struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Ask the plugins whether networks can take containers.",
    discussion: "Without arguments every network is asked.")

  @OptionGroup var common: CommonOptions
  @Argument(help: "Names, or starts of ids.", completion: networkNames) var networks: [String] = []

  func run() throws {
    var isReady = true
    try common.report { () throws(CNIError) in
      let contents = try common.load()
      var entries = networks.isEmpty ? contents.entries : []
      for network in networks { entries.append(try contents.entry(network)) }
      let answers = entries.map { (name: $0.list.name.description, answer: answer($0.list)) }
      isReady = answers.allSatisfy(\.answer.isReady)
      if common.json {
        let rows = answers.map { answer in
          JSONValue.object([
            "network": .string(answer.name), "ready": .bool(answer.answer.isReady),
            "state": .string(answer.answer.text),
          ])
        }
        return try common.printJSON(.array(rows))
      }
      print(table([["NAME", "STATE"]] + answers.map { [$0.name, $0.answer.text] }))
    }
    if !isReady { throw ExitCode.failure }
  }

  private func answer(_ list: NetworkList) -> (isReady: Bool, text: String) {
    do throws(CNIError) {
      try common.runtime.checkVersions(list)
      switch try common.runtime.status(list) {
      case .ready: return (true, "ready")
      case .notAsked: return (true, "not asked: version \(list.version.rawValue) has no STATUS")
      }
    } catch {
      return (false, "\(error)")
    }
  }
}
