import CNI
import CNIRuntime
import HostFilter
import Kernel
import NetTypes
import Netlink
import PacketFilter
import PluginKit

/// Gives a network's policy to the containers that are attached on this host.
struct PolicyApplier {
  var cache: ResultCache
  var plan: PolicyPlan

  /// The rule sets that an attachment gets.
  struct Change {
    var owner: AttachmentID
    var ruleSets: [RuleSet]
    var hasRecord: Bool
  }

  struct Outcome {
    var changed: [AttachmentID] = []
    var failures: [CNIError] = []
  }

  /// Changes nothing.
  ///
  /// - Throws: one error with all attachments that cannot get the policy.
  func changes() throws(CNIError) -> [Change] {
    let entries = try cache.entries(of: plan.network).filter { !$0.isUnfinished }
    let recorded: [RuleSet]
    do throws(KernelError) {
      recorded = try HostFilter().ruleSets(of: plan.network).filter {
        $0.role == .policies && $0.owner != .tunnel(of: plan.network)
      }
    } catch { throw CNIError(error) }
    var changes: [Change] = []
    var failures: [CNIError] = []
    let owners = Set(recorded.map(\.owner) + entries.map(\.attachment.owner))
    for owner in owners.sorted(by: { $0.tag < $1.tag }) {
      let entry = entries.first { $0.attachment.owner == owner }
      let record = recorded.first { $0.owner == owner }
      // The address of a container that is gone may belong to another one.
      if record == nil, let entry, ContainerNamespace(of: entry.attachment).presence == .gone { continue }
      do throws(CNIError) {
        let ruleSets = try checkedRuleSets(of: owner, record, entry)
        changes.append(Change(owner: owner, ruleSets: ruleSets, hasRecord: record != nil))
      } catch { failures.append(error.of(owner)) }
    }
    if let error = CNIError(joining: failures) { throw error }
    guard changes.isEmpty || !plan.changesSeparation else {
      throw CNIError(
        .invalidNetworkConfig,
        "network \(plan.network): the policy changes how its containers are kept apart: want none attached on this host"
      )
    }
    return changes
  }

  private func checkedRuleSets(
    of owner: AttachmentID, _ record: RuleSet?, _ entry: ResultCache.Entry?
  ) throws(CNIError) -> [RuleSet] {
    let ruleSets: [RuleSet]
    do throws(KernelError) { ruleSets = try self.ruleSets(of: owner, record, entry) } catch { throw CNIError(error) }
    guard ruleSets.contains(where: { $0.role == .policies }) else {
      throw CNIError(
        .invalidNetworkConfig, "want addresses, and a bridge or veth among the host's links of its cached result")
    }
    return ruleSets
  }

  /// Changes what differs; an attachment that fails does not stop the others.
  ///
  /// The cached configurations get the policy too, so that CHECK and DEL expect it.
  func apply(_ changes: [Change]) -> Outcome {
    var outcome = Outcome()
    do throws(CNIError) { try applyToOtherHosts() } catch { outcome.failures.append(error) }
    for change in changes {
      do throws(CNIError) {
        try cache.setPolicy(plan.policy, of: change.owner, in: plan.configuration.pluginType)
        do throws(KernelError) {
          if try set(change) { outcome.changed.append(change.owner) }
        } catch { throw CNIError(error) }
      } catch { outcome.failures.append(error.of(change.owner)) }
    }
    return outcome
  }

  /// - Returns: whether rules were changed.
  private func set(_ change: Change) throws(KernelError) -> Bool {
    var kernel = try LiveKernel.open(containerNamespace: nil, filter: HostFilter())
    var isChanged = false
    for ruleSet in change.ruleSets {
      let present = try kernel.filter.ruleSet(of: change.owner, ruleSet.role)
      // A DEL has removed it in the meantime.
      if present == nil, change.hasRecord, ruleSet.role == .policies { continue }
      if present != ruleSet {
        try kernel.filter.set(ruleSet)
        isChanged = true
      }
      try kernel.noteNetworks(namedBy: ruleSet)
    }
    return isChanged
  }

  /// The rule sets that ADD would have made, with the guard of source addresses first.
  private func ruleSets(
    of owner: AttachmentID, _ record: RuleSet?, _ entry: ResultCache.Entry?
  ) throws(KernelError) -> [RuleSet] {
    var kernel = try LiveKernel.open(containerNamespace: nil, filter: HostFilter())
    if let record {
      let links = PolicyAttachment(record).links
      let ownsLinks = try areOwned(links, on: &kernel)
      if let ruleSet = record.limited(by: plan.policy, ownsLinks: ownsLinks) { return [ruleSet] }
    }
    guard let entry else { return [] }
    let addresses = entry.addResult.containerAddresses
    let links = try kernel.policyLinks(among: entry.addResult.hostInterfaces)
    guard !addresses.isEmpty, !links.isEmpty else { return [] }
    let labels = (try? NetworkConfiguration(entry.config).labels()) ?? []  // a list without such a plugin has no labels
    let ports = try kernel.unguardedPorts(of: owner, among: entry.addResult.hostInterfaces)
    let isFirewall = plan.configuration.pluginType == "firewall"
    var ruleSets: [RuleSet] = []
    if !isFirewall, !ports.isEmpty {
      let rules = ports.map { Rule.guardAddresses(AddressGuard($0, addresses)) }
      ruleSets.append(RuleSet(owner, .guards, rules, backend: .nftables))
    }
    for case .addRules(let ruleSet) in plan.policy.changes(
      owner, addresses, on: links.map(\.name), owned: links.allSatisfy { $0.kind == "veth" }, labels,
      guarding: isFirewall ? ports : [], span: try span())
    { ruleSets.append(ruleSet) }
    return ruleSets
  }

  private func areOwned(
    _ links: [InterfaceName], on kernel: inout LiveKernel<HostFilter>
  ) throws(KernelError) -> Bool {
    for name in links where try kernel.link(name, on: .host)?.kind != "veth" { return false }
    return true
  }
}

extension CNIError {
  fileprivate func of(_ owner: AttachmentID) -> CNIError {
    CNIError(
      code, "\(owner.container) \(owner.network) \(owner.interface): policy not changed: \(message)", details: details)
  }
}
