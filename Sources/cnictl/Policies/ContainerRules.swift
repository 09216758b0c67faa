import CNI
import CNIRuntime
import Kernel
import NetTypes
import Netlink
import Nftables
import PacketFilter
import PluginKit

/// The policy of an attachment whose packets do not pass the host, so that its rules are in its network namespace.
struct ContainerRules {
  let owner: AttachmentID
  /// The plugin's type, which is the link's kind too.
  let type: String
  /// The policy of the cached configuration.
  let policy: PolicyConfig?
  let namespace: ContainerNamespace
  private let usesDHCP: Bool

  /// `nil` for an attachment whose packets pass the host.
  init?(_ entry: ResultCache.Entry) throws(CNIError) {
    guard let configuration = try? NetworkConfiguration(entry.config), configuration.limitsInContainer else {
      return nil
    }
    owner = entry.attachment.owner
    type = configuration.pluginType
    policy = try configuration.policy()
    namespace = ContainerNamespace(of: entry.attachment)
    usesDHCP = try MasterConfig(JSONReader(configuration.plugin)).usesDHCP
  }

  private func ruleSet(_ policy: PolicyConfig?) -> RuleSet? { policy?.ruleSetInContainer(owner, usesDHCP: usesDHCP) }

  private var filter: ContainerFilter { ContainerFilter(namespace: namespace.path) }

  /// Whether the attachment's link is in the namespace: the path may lead to another process's namespace by now.
  func hasLink() throws(CNIError) -> Bool {
    try convertingErrors { () throws(KernelError) in
      var kernel = try LiveKernel.open(containerNamespace: namespace.path)
      guard let link = try kernel.link(owner.interface, on: .container), link.kind == type else { return false }
      // The reference plugins set no alias.
      return link.alias == nil || link.alias == owner.tag
    }
  }

  /// What `cnictl policy` shows of the attachment; `nil` if nothing is limited.
  func attachment(_ entry: ResultCache.Entry) -> PolicyAttachment? {
    guard let ruleSet = ruleSet(policy) else { return nil }
    var attachment = PolicyAttachment(ruleSet)
    attachment.addresses = entry.addResult.containerAddresses
    attachment.links = []
    attachment.namespace = namespace.path
    return attachment
  }

  private func lacksRules(_ ruleSet: RuleSet) throws(CNIError) -> Bool {
    try convertingErrors { () throws(KernelError) in try !filter.missing(from: ruleSet).isEmpty }
  }

  /// Restores the rules if one is missing.
  ///
  /// - Returns: whether one was.
  /// - Throws: code 8 if the namespace is not known.
  func repair() throws(CNIError) -> Bool {
    guard let ruleSet = ruleSet(policy) else { return false }
    try checkNamespace()
    guard try hasLink(), try lacksRules(ruleSet) else { return false }
    try put(policy)
    return true
  }

  /// Gives the attachment that policy; `nil` for none.
  ///
  /// - Returns: whether rules were changed.
  func set(_ new: PolicyConfig?, _ undo: inout UndoList) throws(CNIError) -> Bool {
    let wanted = ruleSet(new)
    if wanted == ruleSet(policy) {
      guard let wanted, try lacksRules(wanted) else { return false }
    }
    undo.add { () throws(CNIError) in try put(policy) }
    try put(new)
    return true
  }

  /// - Throws: code 8 if the path leads to no namespace.
  func checkNamespace() throws(CNIError) {
    guard namespace.presence != .live else { return }
    throw CNIError(.invalidNamespace, "namespace \"\(namespace.path)\": want its path in the cached result")
  }

  private func put(_ policy: PolicyConfig?) throws(CNIError) {
    try convertingErrors { () throws(KernelError) in
      guard let ruleSet = ruleSet(policy) else { return try filter.remove(owner, .policies, everywhere: true) }
      try filter.replaceRules(with: ruleSet)
    }
  }
}

extension Runtime {
  /// Restores missing policy rules in the network namespaces of attached containers.
  ///
  /// - Parameters:
  ///   - networks: the networks of the attachments; empty: all networks.
  ///   - gone: the attachments of containers that are gone.
  /// - Returns: the attachments that lacked rules, and the errors of others.
  /// - Throws: code 5 if the cached results cannot be read.
  func repairContainerRules(
    of networks: [NetworkName], except gone: Set<AttachmentID>
  ) throws(CNIError) -> (repaired: [AttachmentID], failures: [CNIError]) {
    var repaired: [AttachmentID] = []
    var failures: [CNIError] = []
    for entry in try cache.entries(ofAny: networks)
    where !entry.isUnfinished && !gone.contains(entry.attachment.owner) {
      do throws(CNIError) {
        if let rules = try ContainerRules(entry), try rules.repair() { repaired.append(rules.owner) }
      } catch { failures.append(error.of(entry.attachment.owner, "policy not repaired")) }
    }
    return (repaired, failures)
  }
}
