import ArgumentParser
import CNI
import CNIRuntime
import EtcdRecords
import NetTypes

extension FloatingCommand {
  struct Sync: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Take the floating addresses that other hosts have from the containers on this host.",
      discussion: """
        For networks whose portmap has the key etcd: renews this host's lease, puts back keys that etcd has lost, and \
        removes the rules, the addresses and the conntrack entries of floating addresses that another host has taken. \
        Without arguments for every network.

        With --watch it runs until it is stopped: it follows changes in etcd at once, and reads configurations and \
        renews leases every --interval seconds. While etcd does not answer, nothing is changed. The systemd unit for it \
        is swift-cni-floating.service.
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
          var watch = FloatingWatch(common: common, chosen: networks, seconds: interval)
          return try watch.run()
        }
        var errors: [CNIError] = []
        var released: [SharedFloatingAddresses.Held] = []
        for network in try FloatingNetwork.all(in: common.load(), named: networks) {
          do throws(CNIError) { released += try network.sync().released } catch {
            errors.append(CNIError(error.code, "\(network.name): \(error.message)", details: error.details))
          }
        }
        if !common.json { for one in released { print(one.sentence) } }
        if let error = CNIError(joining: errors) { throw error }
        if common.json { try common.printJSON(["released": .array(released.map(\.json))]) }
      }
    }
  }
}

extension SharedFloatingAddresses.Held {
  var sentence: String {
    "\(address): another host has it: taken from \(owner.container) \(owner.network) \(owner.interface)"
  }

  fileprivate var json: JSONValue {
    .record(["address": .text(address), "container": .text(owner.container), "network": .text(owner.network)])
  }
}
