import CNI
import CNIRuntime
import HostFilter
import Kernel
import NetTypes
import Netlink
import PacketFilter
import PluginKit

/// Gives a network's policy to the containers that are attached on this host, or removes it.
struct PolicyApplier {
  var cache: ResultCache
  var plan: PolicyPlan

  init(_ cache: ResultCache, _ plan: PolicyPlan) {
    self.cache = cache
    self.plan = plan
  }

  /// What an attachment gets.
  struct Change {
    var owner: AttachmentID
    /// The host's rules by role, in the order in which they are set; `nil` removes them.
    var rules: [(role: PluginRole, ruleSet: RuleSet?)] = []
    var hasRecord: Bool
    /// The rules in its network namespace.
    var container: ContainerRules?

    var hadPolicy: Bool { hasRecord || container?.policy != nil }
  }

  /// Carries out all plans or none: files, cached configurations and rules.
  ///
  /// - Returns: the attachments of each plan whose rules were changed.
  static func apply(_ plans: [PolicyPlan], _ cache: ResultCache) throws(CNIError) -> [[AttachmentID]] {
    let appliers = plans.map { PolicyApplier(cache, $0) }
    let changes = try appliers.map { (applier) throws(CNIError) in try applier.changes() }
    var undo = UndoList()
    do throws(CNIError) {
      var changed: [[AttachmentID]] = []
      for (applier, changes) in zip(appliers, changes) { changed.append(try applier.apply(changes, &undo)) }
      return changed
    } catch { throw undo.rollBack(after: error) }
  }

  /// Changes nothing.
  ///
  /// - Throws: one error with all attachments that cannot get the policy; code 7 if the network has no policy to remove.
  func changes() throws(CNIError) -> [Change] {
    let entries = try cache.entries(of: plan.network).filter { !$0.isUnfinished }
    let recorded = try convertingErrors { () throws(KernelError) in
      try HostFilter().ruleSets(of: plan.network).filter {
        $0.role == .policies && $0.owner != .tunnel(of: plan.network)
      }
    }
    var changes: [Change] = []
    var failures: [CNIError] = []
    let owners = Set(recorded.map(\.owner) + entries.map(\.attachment.owner))
    for owner in owners.sorted(by: { $0.tag < $1.tag }) {
      let entry = entries.first { $0.attachment.owner == owner }
      let record = recorded.first { $0.owner == owner }
      // The address of a container that is gone may belong to another one.
      if record == nil, let entry, ContainerNamespace(of: entry.attachment).presence == .gone { continue }
      do throws(CNIError) { changes.append(try change(of: owner, record, entry)) } catch {
        failures.append(error.of(owner))
      }
    }
    if let error = CNIError(joining: failures) { throw error }
    if let obstacle = plan.obstacle, !changes.isEmpty {
      throw CNIError(.invalidNetworkConfig, "network \(plan.network): \(obstacle)")
    }
    guard plan.policy != nil || plan.before != nil || changes.contains(where: \.hadPolicy) else {
      throw CNIError(.invalidNetworkConfig, "network \(plan.network): no policy")
    }
    return changes
  }

  private func change(
    of owner: AttachmentID, _ record: RuleSet?, _ entry: ResultCache.Entry?
  ) throws(CNIError) -> Change {
    var change = Change(owner: owner, hasRecord: record != nil)
    if record == nil { change.container = try entry.flatMap { (entry) throws(CNIError) in try ContainerRules(entry) } }
    try change.container?.checkNamespace()
    guard plan.policy != nil else {
      change.rules = [(.policies, nil)] + (checksAddressesAnyway(entry) ? [] : [(.guards, nil)])
      return change
    }
    guard plan.configuration.limitsInContainer else {
      change.rules = try checkedRuleSets(of: owner, record, entry).map { ($0.role, $0) }
      return change
    }
    let type = plan.configuration.pluginType
    guard let container = change.container, container.type == type, try container.hasLink() else {
      throw CNIError(.invalidNetworkConfig, "want \(owner.interface), a link of kind \(type), in its network namespace")
    }
    return change
  }

  /// Whether the container's source addresses are checked without a policy too, or by another plugin.
  private func checksAddressesAnyway(_ entry: ResultCache.Entry?) -> Bool {
    let configuration = entry.flatMap { try? NetworkConfiguration($0.config) } ?? plan.configuration
    return configuration.checksAddressesWithoutPolicy
  }

  private func checkedRuleSets(
    of owner: AttachmentID, _ record: RuleSet?, _ entry: ResultCache.Entry?
  ) throws(CNIError) -> [RuleSet] {
    let ruleSets = try convertingErrors { () throws(KernelError) in try self.ruleSets(of: owner, record, entry) }
    guard ruleSets.contains(where: { $0.role == .policies }) else {
      throw CNIError(
        .invalidNetworkConfig, "want addresses, and a bridge or veth among the host's links of its cached result")
    }
    return ruleSets
  }

  /// Changes what differs.
  ///
  /// The cached configurations are changed too, so that CHECK and DEL expect the new policy.
  private func apply(_ changes: [Change], _ undo: inout UndoList) throws(CNIError) -> [AttachmentID] {
    if plan.isChanged {
      undo.add { () throws(CNIError) in try plan.restore() }
      try plan.write()
    }
    try applyToOtherHosts(&undo)
    var changed: [AttachmentID] = []
    for change in changes {
      do throws(CNIError) {
        if try apply(change, &undo) { changed.append(change.owner) }
      } catch { throw error.of(change.owner) }
    }
    return changed
  }

  /// - Returns: whether rules were changed.
  private func apply(_ change: Change, _ undo: inout UndoList) throws(CNIError) -> Bool {
    if let before = try cache.setPolicy(plan.policy, of: change.owner, in: plan.configuration.pluginType) {
      undo.add { () throws(CNIError) in try cache.restore(before) }
    }
    var isChanged = try change.container?.set(plan.policy, &undo) ?? false
    for (role, ruleSet) in change.rules {
      // A DEL has removed it in the meantime.
      if change.hasRecord, ruleSet != nil, role == .policies, try present(change.owner, role) == nil { continue }
      if try put(ruleSet, change.owner, role, &undo) { isChanged = true }
    }
    return isChanged
  }

  private func present(_ owner: AttachmentID, _ role: PluginRole) throws(CNIError) -> RuleSet? {
    try convertingErrors { () throws(KernelError) in try HostFilter().ruleSet(of: owner, role) }
  }

  /// - Returns: whether the recorded rules were others.
  func put(
    _ ruleSet: RuleSet?, _ owner: AttachmentID, _ role: PluginRole, _ undo: inout UndoList
  ) throws(CNIError) -> Bool {
    let before = try present(owner, role)
    guard before != nil || ruleSet != nil else { return false }
    undo.add { () throws(CNIError) in try put(before, owner, role) }
    try put(ruleSet, owner, role)
    return before != ruleSet
  }

  private func put(_ ruleSet: RuleSet?, _ owner: AttachmentID, _ role: PluginRole) throws(CNIError) {
    try convertingErrors { () throws(KernelError) in
      var kernel = try LiveKernel.open(containerNamespace: nil, filter: HostFilter())
      guard let ruleSet else { return try kernel.filter.remove(owner, role, everywhere: false) }
      try kernel.filter.set(ruleSet)
      try kernel.noteNetworks(namedBy: ruleSet)
    }
  }

  /// The rule sets that ADD would have made, with the guard of source addresses first.
  private func ruleSets(
    of owner: AttachmentID, _ record: RuleSet?, _ entry: ResultCache.Entry?
  ) throws(KernelError) -> [RuleSet] {
    var kernel = try LiveKernel.open(containerNamespace: nil, filter: HostFilter())
    guard let policy = plan.policy else { return [] }
    if let record {
      let links = PolicyAttachment(record).links
      let ownsLinks = try areOwned(links, on: &kernel)
      if let ruleSet = record.limited(by: policy, ownsLinks: ownsLinks) { return [ruleSet] }
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
    for case .addRules(let ruleSet) in policy.changes(
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
  /// The same error with the attachment that it is about.
  func of(_ owner: AttachmentID, _ consequence: String = "policy not changed") -> CNIError {
    CNIError(
      code, "\(owner.container) \(owner.network) \(owner.interface): \(consequence): \(message)", details: details)
  }
}
