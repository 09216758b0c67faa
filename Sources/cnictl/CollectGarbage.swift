import ArgumentParser
import CNI
import CNIRuntime
import NetTypes

struct CollectGarbage: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gc", abstract: "Remove what belongs to containers whose namespace is gone.",
    discussion: """
      Without arguments in every network, also in those whose configuration is gone. What belongs to a live namespace \
      stays, in the cache or not, and so does everything whose namespace is unknown. With --dry-run the same lines are \
      printed and nothing is removed.
      """)

  @OptionGroup var common: CommonOptions
  @Flag(help: "Only print what is stale.") var dryRun = false
  @Argument(help: "Names, or starts of ids.", completion: networkNames) var networks: [String] = []

  func run() throws {
    try common.report { () throws(CNIError) in
      let contents = try common.load()
      var lists = contents.entries.map(\.list).filter { !$0.disableGC }
      if !networks.isEmpty {
        lists = []
        for network in networks { lists.append(try contents.entry(network).list) }
      }
      let collector = GarbageCollector(runtime: common.runtime)
      let orphans = networks.isEmpty ? try collector.orphans(except: contents.entries.map(\.list.name)) : []
      let pause = dryRun ? nil : try GarbageCollector.pauseAttaching(to: (lists + orphans).map(\.name))
      var errors: [CNIError] = []
      var reported: [JSONValue] = []
      let report = { (stale: StaleItem) in
        if !common.json { print(stale.sentence) }
        reported.append(stale.json)
      }
      for list in lists {
        do throws(CNIError) { try collector.collect(list, dryRun: dryRun, report: report) } catch {
          errors.append(error)
        }
      }
      do throws(CNIError) {
        try collector.collect(orphans: orphans, dryRun: dryRun, report: report)
      } catch { errors.append(error) }
      _ = consume pause
      if let error = CNIError(joining: errors) { throw error }
      if common.json { try common.printJSON([dryRun ? "stale" : "removed": .array(reported)]) }
    }
  }
}
