import CNI
import Kernel
import NetTypes
import PluginKit

/// The configuration of a macvlan link, checked.
struct MacvlanSettings: Equatable {
  var childLink: ChildLinkSettings
  var hasHostAccess: Bool
  /// Whether IPAM needs the link (DHCP), so that it is planned before there are addresses.
  var ipamNeedsLink: Bool
}

/// The present state of the host, as far as a macvlan link depends on it.
struct MacvlanHostState: Equatable {
  var childLink: ChildLinkHostState
  /// `nil` without host access, or if the parent is missing.
  var access: HostAccess.HostState?
}

/// The container's interface as a macvlan link, and with host access another one on the host.
struct MacvlanDriver: LinkDriver {
  static let name = ChildLinkDriver<MacvlanConfig>.name
  static let linkKind = ChildLinkDriver<MacvlanConfig>.linkKind
  static let limitsConnections = true

  private let childLink = ChildLinkDriver<MacvlanConfig>()

  func settings(
    _ config: MacvlanConfig, _ keys: RuntimeKeys, _ arguments: CNIArguments
  ) throws(CNIError) -> MacvlanSettings {
    MacvlanSettings(
      childLink: try childLink.settings(config, keys, arguments), hasHostAccess: try config.checkedHostAccess(),
      ipamNeedsLink: config.ipam?.needsLink ?? false)
  }

  func readHostState<K: Kernel & ~Copyable>(
    _ settings: MacvlanSettings, owner: AttachmentID, families: Set<IPFamily>, at kernel: inout K
  ) throws(KernelError) -> MacvlanHostState {
    var hostState = MacvlanHostState(
      childLink: try childLink.readHostState(settings.childLink, owner: owner, families: families, at: &kernel))
    if settings.hasHostAccess, let master = hostState.childLink.master {
      hostState.access = try HostAccess.HostState(of: owner.network, over: master, at: &kernel)
    }
    return hostState
  }

  func plan(
    _ settings: MacvlanSettings, _ hostState: MacvlanHostState, owner: AttachmentID, namespacePath: String,
    addresses: AddResult
  ) throws(CNIError) -> AttachmentPlan {
    var plan = try childLink.plan(
      settings.childLink, hostState.childLink, owner: owner, namespacePath: namespacePath, addresses: addresses)
    guard let access = hostState.access else { return plan }
    var mac = hostState.childLink.containerMAC
    if case .configured(let address) = settings.childLink.macSource { mac = address }
    let host = HostAccess(
      hostState: access, owner: owner, containerMAC: mac, addresses: addresses.ips.map { $0.address })
    if settings.ipamNeedsLink, addresses.ips.isEmpty {
      try host.checkHost()
      return plan
    }
    plan.shared += try host.shared()
    plan.own += host.own()
    return plan
  }

  func removal<K: Kernel & ~Copyable>(
    of owner: AttachmentID, _ config: MacvlanConfig?, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    let rules = childLink.removal(of: owner, config, on: &kernel)
    guard try HostAccess.linkExists(for: owner.network, on: &kernel) else { return rules }
    // The lock keeps a concurrent ADD from using the link that the last DEL removes.
    try kernel.lockHost(exclusively: true)
    return try rules + HostAccess.leftovers(in: owner.network, on: &kernel) { $0 == owner.numericID }
  }

  func garbage<K: Kernel & ~Copyable>(
    of network: NetworkName, _ config: MacvlanConfig, valid: Set<ValidAttachments.Attachment>, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    let owners = valid.map { AttachmentID(network: network, container: $0.containerID, interface: $0.ifname) }
    let numbers = Set(owners.map { $0.numericID })
    return try HostAccess.leftovers(in: network, on: &kernel) { !numbers.contains($0) }
  }

  func obstacle<K: Kernel & ~Copyable>(
    _ config: MacvlanConfig, on kernel: inout K
  ) throws(KernelError) -> String? {
    try childLink.obstacle(config, on: &kernel)
  }
}
