import ArgumentParser
import CNI
import CNIRuntime
import Linux
import NetTypes
import PluginKit
import YAML

extension PolicyCommand {
  struct Apply: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Apply NetworkPolicy documents of Kubernetes to networks and the containers on them.",
      discussion: """
        The namespace of a document is a network, and its policy that of all containers of the network. Documents of \
        one network add up, and replace the policy that the network had. Writes the key policy into the network's \
        configuration, and changes the rules of the containers that are attached on this host: of all of them or none. \
        What a policy cannot express is refused, and nothing is changed.
        """)

    @OptionGroup var common: CommonOptions
    @Option(help: "The network of documents without metadata.namespace.", completion: networkNames, transform: parsed)
    var network: NetworkName?
    @Flag(help: "Print the policies, and change nothing.") var dryRun = false
    @Argument(help: "A file with JSON or YAML; - for standard input.", completion: .file()) var file: String

    func run() throws {
      try common.report { () throws(CNIError) in
        let policies = try NetworkPolicies.read(try YAML.documents(try input()), network: network)
        guard !dryRun else { return try printPlans(try policies.map(plan)) }
        let pause = try GarbageCollector.pauseAttaching(to: policies.map(\.network))
        let plans = try policies.map(plan)
        let changed = try PolicyApplier.apply(plans, common.runtime.cache)
        _ = consume pause
        try report(Array(zip(plans, changed)))
      }
    }

    private func input() throws(CNIError) -> [UInt8] {
      do throws(KernelError) {
        return try file == "-" ? StandardStreams.readInput(limit: 16 << 20) : Files.read(file)
      } catch { throw CNIError(error, as: .ioFailure) }
    }

    /// Makes every refusal that needs no look at containers; changes nothing.
    private func plan(_ policies: NetworkPolicies) throws(CNIError) -> PolicyPlan {
      let plan = try PolicyPlan(policies, in: common.networks.load())
      try plan.checkSettings(common.runtime)
      let configuration = plan.configuration
      if policies.limitsOwnNetwork, !configuration.separatesContainers, !configuration.limitsInContainer {
        warn("network \(policies.network): its containers reach each other on the bridge, whatever the policy says")
      }
      return plan
    }

    private func report(_ outcomes: [(plan: PolicyPlan, changed: [AttachmentID])]) throws(CNIError) {
      if common.json { return try common.printJSON(.array(outcomes.map { $0.plan.json(changed: $0.changed) })) }
      for (plan, changed) in outcomes {
        print("network \(plan.network): \(plan.isChanged ? "policy written to \(plan.file)" : "unchanged")")
        for owner in changed { print("\(owner.container) \(owner.network) \(owner.interface): policy changed") }
      }
    }

    private func printPlans(_ plans: [PolicyPlan]) throws(CNIError) {
      if common.json { return try common.printJSON(.array(plans.map { $0.json(changed: nil) })) }
      for plan in plans {
        print("network \(plan.network): \(plan.isChanged ? "policy for \(plan.file)" : "unchanged")")
        if let policy = plan.policy { print(policy.json.pretty()) }
      }
    }
  }
}
