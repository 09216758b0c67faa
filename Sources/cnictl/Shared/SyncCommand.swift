import ArgumentParser
import CNI
import CNIRuntime
import NetTypes

struct SyncCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sync", abstract: "Apply what other hosts share through etcd: services, names, floating addresses.",
    discussion: """
      For networks with the key etcd in service, dns-hosts or portmap: renews this host's leases, puts back keys that \
      etcd has lost, adds the members of services and the names of other hosts, and takes floating addresses that other \
      hosts have from the containers here. Skips networks without a container on this host. Without arguments for \
      every network.

      With --watch it runs until it is stopped: it follows changes in etcd at once, and reads configurations and renews \
      leases every --interval seconds. While etcd does not answer, nothing is changed. The systemd unit for it is \
      swift-cni-sync.service.
      """)

  @OptionGroup var common: CommonOptions
  @Flag(help: "Keep running and follow changes.") var watch = false
  @Option(help: "With --watch: seconds between two reads of configurations.") var interval = 30
  @Argument(help: "Names of networks.", completion: networkNames, transform: parsed) var networks: [NetworkName] = []

  func validate() throws {
    guard (1...3600).contains(interval) else { throw ValidationError("--interval: want 1 to 3600 seconds") }
    guard !watch || !common.json else { throw ValidationError("--json: want it without --watch") }
  }

  func run() throws {
    try common.report { () throws(CNIError) in
      guard !watch else {
        var watch = SharedWatch(common: common, chosen: networks, seconds: interval)
        return try watch.run()
      }
      var errors: [CNIError] = [], changes: [String] = []
      for range in try SharedRange.all(in: common.load(), named: networks) {
        do throws(CNIError) { changes += try range.apply() } catch {
          errors.append(CNIError(error.code, "\(range.network): \(error.message)", details: error.details))
        }
      }
      if !common.json { for change in changes { print(change) } }
      if let error = CNIError(joining: errors) { throw error }
      if common.json { try common.printJSON(["changes": .array(changes.map { .string($0) })]) }
    }
  }
}
