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
        configuration, then changes the rules of the containers that are attached on this host. What a policy cannot \
        express is refused, and nothing is changed.
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
        try apply(plans)
        _ = consume pause
      }
    }

    private func input() throws(CNIError) -> [UInt8] {
      do throws(KernelError) {
        return try file == "-" ? StandardStreams.readInput(limit: 16 << 20) : Files.read(file)
      } catch { throw CNIError(error, as: .ioFailure) }
    }

    /// Makes every refusal; changes nothing.
    private func plan(_ policies: NetworkPolicies) throws(CNIError) -> PolicyPlan {
      let plan = try PolicyPlan(policies, in: common.networks.load())
      let errors = common.runtime.settingsFindings(try NetworkList(plan.configuration.root.bytes))
      guard errors.isEmpty else {
        throw CNIError(
          .invalidNetworkConfig, "network \(policies.network): \(errors.map(\.text).joined(separator: "; "))")
      }
      if policies.limitsOwnNetwork, !plan.configuration.separatesContainers {
        warn("network \(policies.network): its containers reach each other on the bridge, whatever the policy says")
      }
      return plan
    }

    private func apply(_ plans: [PolicyPlan]) throws(CNIError) {
      let appliers = plans.map { PolicyApplier(cache: common.runtime.cache, plan: $0) }
      let changes = try appliers.map { (applier) throws(CNIError) in try applier.changes() }
      var rows: [JSONValue] = []
      var failures: [CNIError] = []
      for (applier, changes) in zip(appliers, changes) {
        let plan = applier.plan
        if plan.isChanged { try plan.write() }
        let outcome = applier.apply(changes)
        failures += outcome.failures
        rows.append(plan.json(changed: outcome.changed))
        guard !common.json else { continue }
        print("network \(plan.network): \(plan.isChanged ? "policy written to \(plan.file)" : "unchanged")")
        for owner in outcome.changed { print("\(owner.container) \(owner.network) \(owner.interface): policy changed") }
      }
      if let error = CNIError(joining: failures) { throw error }
      if common.json { try common.printJSON(.array(rows)) }
    }

    private func printPlans(_ plans: [PolicyPlan]) throws(CNIError) {
      if common.json { return try common.printJSON(.array(plans.map { $0.json(changed: nil) })) }
      for plan in plans {
        print("network \(plan.network): \(plan.isChanged ? "policy for \(plan.file)" : "unchanged")")
        print(plan.policy.json.pretty())
      }
    }
  }
}

/// The policy that a network's file gets.
struct PolicyPlan {
  var network: NetworkName
  var file: String
  var policy: PolicyConfig
  /// The changed configuration.
  var configuration: NetworkConfiguration
  var isChanged: Bool
  /// Whether it changes how a bridge keeps the network's containers apart, which is for all of them at once.
  var changesSeparation: Bool

  /// - Throws: code 7 if the network cannot have the policy.
  init(_ policies: NetworkPolicies, in contents: ConfigDirectory.Contents) throws(CNIError) {
    let entry = try contents.entry("\(policies.network)")
    guard entry.list.name == policies.network else {
      throw CNIError(.invalidNetworkConfig, "no network \"\(policies.network)\"")
    }
    network = policies.network
    file = entry.file
    let bytes: [UInt8]
    do throws(KernelError) { bytes = try Files.read(file) } catch { throw CNIError(error, as: .ioFailure) }
    configuration = try NetworkConfiguration(bytes)
    let before = try configuration.policy()
    guard before != nil || !entry.list.hasPolicy else {
      throw CNIError(
        .invalidNetworkConfig,
        "network \(network): its key \"policy\" is in the directory beside \(file): want it in the file")
    }
    try configuration.setPolicy(policies.config(separatesContainers: configuration.separatesContainers))
    policy = try configuration.policy() ?? PolicyConfig(ingress: nil, egress: nil)
    isChanged = policy != before
    let name = network
    changesSeparation =
      configuration.separatesContainers && policy.isForOwn(name) != before.map { $0.isForOwn(name) } ?? false
  }

  private var directory: String { file.lastIndex(of: "/").map { String(file[..<$0]) } ?? "." }

  /// Replaces the file, or what it is a symbolic link to.
  func write() throws(CNIError) {
    do throws(KernelError) {
      let path = try Files.linkTarget(file).map { $0.hasPrefix("/") ? $0 : "\(directory)/\($0)" } ?? file
      let mode = try Files.status(path)?.mode ?? 0o644
      try Files.replace(path, with: Array("\(configuration.root.pretty())\n".utf8), mode: mode, durable: true)
    } catch { throw CNIError(error, as: .ioFailure) }
  }

  /// With the attachments whose rules were changed; `nil` in a dry run.
  func json(changed owners: [AttachmentID]?) -> JSONValue {
    .record([
      "network": .text(network), "file": .text(file), "changed": .bool(isChanged), "policy": policy.json,
      "attachments": owners.map { owners in
        .array(
          owners.map { owner in
            .record(["container": .text(owner.container), "interface": .text(owner.interface)])
          })
      },
    ])
  }
}
