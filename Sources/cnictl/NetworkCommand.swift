import ArgumentParser
import CNI
import CNIRuntime
import Kernel
import Linux
import NetTypes

struct NetworkCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "network", abstract: "List, show, make and remove networks.",
    subcommands: [List.self, Inspect.self, Create.self, Remove.self])
}

extension NetworkCommand {
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "List the networks.")

    @OptionGroup var common: CommonOptions
    @Flag(name: .customLong("no-trunc"), help: "Show the whole id.") var wholeID = false
    @Flag(name: .shortAndLong, help: "Show ids only.") var quiet = false

    func run() throws {
      try common.report { () throws(CNIError) in
        let entries = try common.load().entries
        if common.json {
          let rows = entries.map { entry in
            ["id": entry.id, "name": entry.list.name.description, "driver": entry.list.driver, "file": entry.file]
          }
          return try common.printJSON(.array(rows.map { .object($0.mapValues { .string($0) }) }))
        }
        let rows = entries.map { entry in
          [wholeID ? entry.id : String(entry.id.prefix(12)), entry.list.name.description, entry.list.driver]
        }
        if quiet {
          for row in rows { print(row[0]) }
        } else {
          print(table([["NETWORK ID", "NAME", "DRIVER"]] + rows))
        }
      }
    }
  }

  struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show a network and the containers on it, as JSON.",
      discussion: "With --json in one line.")

    @OptionGroup var common: CommonOptions
    @Argument(help: "The network's name, or the start of its id.", completion: networkNames) var network: String

    func run() throws {
      try common.report { () throws(CNIError) in
        let entry = try common.load().entry(network)
        let attachments = try common.runtime.cache.entries(of: entry.list.name)
        try common.printJSON(NetworkReport(entry, attachments: attachments).json, pretty: !common.json)
      }
    }
  }

  struct Remove: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "rm", abstract: "Remove networks that no container is on.")

    @OptionGroup var common: CommonOptions
    @Flag(help: "Remove the configuration even if a plugin cannot clean up.") var force = false
    @Argument(help: "Names, or starts of ids.", completion: networkNames) var networks: [String]

    func run() throws {
      try common.report { () throws(CNIError) in
        let contents = try common.load()
        var removed: [JSONValue] = []
        for network in networks {
          let entry = try contents.entry(network)
          try remove(entry)
          removed.append(.object(["id": .string(entry.id), "name": .string(entry.list.name.description)]))
        }
        if common.json { try common.printJSON(JSONValue.array(removed)) }
      }
    }

    private func remove(_ network: ConfigDirectory.Entry) throws(CNIError) {
      let list = network.list
      let collector = GarbageCollector(runtime: common.runtime)
      let pause = try GarbageCollector.pauseAttaching(to: [list.name])
      let attachments = try collector.survey(of: list).attachments()
      let attached = attachments.filter { surveyed in
        surveyed.isCached || surveyed.presence == .live || surveyed.presence == .unknown && !force
      }
      guard attached.isEmpty else { throw try inUse(list, by: attached) }
      do throws(CNIError) {
        try cleanUp(list, attachments, collector)
      } catch {
        guard force || list.disableGC else { throw error }
        warn("remains of the plugins were not removed: \(error)")
      }
      do throws(KernelError) { try Files.remove(network.file) } catch { throw CNIError(error, as: .ioFailure) }
      _ = consume pause
      if !common.json { print(list.name) }
    }

    private func cleanUp(
      _ list: NetworkList, _ stale: [SurveyedAttachment], _ collector: GarbageCollector
    ) throws(CNIError) {
      guard !list.disableGC else {
        throw CNIError(.unsupportedField, "network \(list.name): GC is disabled by its key \"disableGC\"")
      }
      for surveyed in stale where surveyed.presence == .gone { try collector.remove(surveyed, with: list) { _ in } }
      try common.runtime.runPluginGC(of: list, valid: [], always: true)
    }

    private func inUse(_ list: NetworkList, by attachments: [SurveyedAttachment]) throws(CNIError) -> CNIError {
      var users: [String] = []
      for surveyed in attachments {
        let path = try common.runtime.cache.entry(surveyed.owner)?.attachment.namespacePath ?? ""
        let location = path.isEmpty ? "(\(surveyed.traces.joined(separator: ", ")))" : "in \(path)"
        users.append("container \(surveyed.owner.container) as \(surveyed.owner.interface) \(location)")
      }
      return CNIError(
        .invalidNetworkConfig, "network \(list.name) is in use by \(users.joined(separator: ", "))",
        details: "disconnect first; cnictl gc \(list.name) removes those whose namespace is gone")
    }
  }
}
