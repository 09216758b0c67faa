import ArgumentParser
import CNI
import CNIRuntime
import NetTypes

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check that attachments are still as ADD made them.",
    discussion: """
      Without arguments every attachment of every network is checked. An attachment that cannot be checked is reported \
      as "not checked", with the reason, and is no difference. A container whose namespace is gone is a difference.
      """)

  @OptionGroup var common: CommonOptions
  @Argument(help: "The network's name.", completion: networkNames, transform: parsed) var network: NetworkName?
  @Argument(help: "A name under \(StatePaths.namespaces), or a path.", completion: namespaceNames) var netns: String?

  func run() throws {
    try common.report { () throws(CNIError) in
      let filter = AttachmentFilter(network: network, namespace: netns.map { ContainerNamespace($0) })
      let entries = try filter.find(in: common.runtime.cache)
      guard !entries.isEmpty || network == nil else {
        throw CNIError(
          .unknownContainer,
          "nothing to check: \(netns.map { "\($0) is not" } ?? "nothing is") on network \(filter.name)")
      }
      var answers: [(attachment: NetworkAttachment, outcome: Runtime.CheckOutcome)] = []
      for entry in entries {
        let cached = try CachedAttachment(entry)
        answers.append((cached.attachment, try outcome(of: cached)))
        if !common.json { print("\(cached.attachment.sentence): \(answers[answers.count - 1].outcome.text)") }
      }
      if let error = CNIError(joining: answers.compactMap { $0.outcome.error(of: $0.attachment) }) { throw error }
      guard common.json else { return }
      let skipped = answers.filter { $0.outcome != .unchanged }
      try common.printJSON([
        "checked": .integer(Int64(answers.count - skipped.count)),
        "notChecked": .array(
          skipped.map { .object($0.attachment.members.merging(["why": .string($0.outcome.text)]) { own, _ in own }) }),
      ])
    }
  }
}

extension Check {
  private func outcome(of cached: CachedAttachment) throws(CNIError) -> Runtime.CheckOutcome {
    let outcome = common.runtime.outcome(of: cached.list, cached.attachment)
    guard outcome == .gone else { return outcome }
    if try GarbageCollector(runtime: common.runtime).isGone(cached) { return .gone }
    return .notChecked("\(cached.attachment.namespacePath) is no namespace any more, but the container is live")
  }
}

extension Runtime.CheckOutcome {
  fileprivate var text: String {
    switch self {
    case .unchanged: "ok"
    case .differs: "differs"
    case .notChecked(let reason): "not checked: \(reason)"
    case .gone: "gone: cnictl gc"
    }
  }

  /// The difference from ADD; `nil` if there is none or it could not be checked.
  fileprivate func error(of attachment: NetworkAttachment) -> CNIError? {
    switch self {
    case .unchanged, .notChecked: nil
    case .differs(let error): error
    case .gone:
      CNIError(
        .differences, "\(attachment.sentence): namespace \(attachment.namespacePath) is gone",
        details: "cnictl gc removes its remains")
    }
  }
}

struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Ask the plugins whether networks can take containers.",
    discussion: "Without arguments shows the state of every network.")

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
      switch try common.runtime.status(list, always: true) {
      case .ready: return (true, "ready")
      case .notSupported: return (true, "not checked: version \(list.version.rawValue) has no STATUS")
      }
    } catch {
      return (false, "\(error)")
    }
  }
}
