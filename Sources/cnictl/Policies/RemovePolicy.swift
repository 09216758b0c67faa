import ArgumentParser
import CNI
import CNIRuntime
import NetTypes

extension PolicyCommand {
  struct Remove: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "rm", abstract: "Remove the policy of a network.",
      discussion: """
        Removes the key policy from the network's configuration, and the rules and labels of the containers that are \
        attached on this host: of all of them or none. Everything that the policy denied passes then, unless other \
        rules deny it. Established connections stay.
        """)

    @OptionGroup var common: CommonOptions
    @Flag(help: "Print whose policy would be removed, and change nothing.") var dryRun = false
    @Argument(help: "The network.", completion: networkNames, transform: parsed) var network: NetworkName

    func run() throws {
      try common.report { () throws(CNIError) in
        guard !dryRun else {
          let plan = try plan()
          return try report(
            plan, try PolicyApplier(common.runtime.cache, plan).changes().filter(\.hadPolicy).map(\.owner))
        }
        let pause = try GarbageCollector.pauseAttaching(to: [network])
        let plan = try plan()
        let changed = try PolicyApplier.apply([plan], common.runtime.cache)
        _ = consume pause
        try report(plan, changed[0])
      }
    }

    private func plan() throws(CNIError) -> PolicyPlan {
      let plan = try PolicyPlan(removing: network, in: common.networks.load())
      try plan.checkSettings(common.runtime)
      return plan
    }

    private func report(_ plan: PolicyPlan, _ owners: [AttachmentID]) throws(CNIError) {
      if common.json { return try common.printJSON(plan.json(changed: dryRun ? nil : owners)) }
      let verb = dryRun ? "would be removed" : "removed"
      if plan.isChanged { print("network \(network): policy \(verb) from \(plan.file)") }
      for owner in owners { print("\(owner.container) \(owner.network) \(owner.interface): policy \(verb)") }
    }
  }
}
