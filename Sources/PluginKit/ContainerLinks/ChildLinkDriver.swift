public import CNI
public import Kernel
public import NetTypes
import PacketFilter

/// The container's interface as a link on top of a parent: macvlan, ipvlan, vlan.
public struct ChildLinkDriver<Config: ChildLinkConfig>: LinkDriver {
  public static var name: String { Config.name }
  public static var linkKind: String { Config.name }
  public static var limitsConnections: Bool { Config.limitsConnections }

  public init() {}

  public func settings(
    _ config: Config, _ keys: RuntimeKeys, _ arguments: CNIArguments
  ) throws(CNIError) -> ChildLinkSettings {
    try ChildLinkSettings(config, keys, arguments)
  }

  public func readHostState<K: Kernel & ~Copyable>(
    _ settings: ChildLinkSettings, owner: AttachmentID, families: Set<IPFamily>, at kernel: inout K
  ) throws(KernelError) -> ChildLinkHostState {
    let existing = try kernel.link(owner.interface, on: .container)
    return ChildLinkHostState(
      master: try master(settings, under: existing, at: &kernel), containerMAC: existing?.mac ?? .random())
  }

  /// The configured parent, else the existing link's (the default route may have moved since ADD), else the uplink.
  private func master<K: Kernel & ~Copyable>(
    _ settings: ChildLinkSettings, under link: LinkInfo?, at kernel: inout K
  ) throws(KernelError) -> LinkInfo? {
    if let name = settings.master { return try kernel.link(name, on: settings.netns) }
    if let link, link.kind == Self.linkKind, let parent = link.parentIndex {
      return try kernel.link(index: parent, on: settings.netns)
    }
    return try kernel.uplink(on: settings.netns)
  }

  public func plan(
    _ settings: ChildLinkSettings, _ hostState: ChildLinkHostState, owner: AttachmentID, namespacePath: String,
    addresses: AddResult
  ) throws(CNIError) -> AttachmentPlan {
    let master = try checkedMaster(settings, hostState)
    if let mtu = settings.mtu, mtu > master.mtu {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"mtu\": \(mtu): want \(Addressing.mtuRange.lowerBound) to \(master.mtu), the MTU of \(master.name)")
    }
    var (given, mac): (MACAddress?, MACAddress)
    switch settings.macSource {
    case .parent: (given, mac) = (nil, master.mac ?? hostState.containerMAC)
    case .configured(let address): (given, mac) = (address, address)
    case .random: (given, mac) = (hostState.containerMAC, hostState.containerMAC)
    }
    var addressing = Addressing(of: owner.interface, mac: mac, addresses)
    addressing.detectsDuplicates = settings.detectsDuplicates
    addressing.routerAdvertisements = settings.routerAdvertisements
    if let metric = settings.defaultMetric { addressing.setDefaultMetric(metric) }
    let spec = LinkSpec(
      owner.interface, kind: .childLink(settings.childLink, over: LinkKey(master.name, on: settings.netns)), mac: given,
      mtu: settings.mtu, on: .container)
    let interface = ContainerInterface(
      spec, of: owner, addressing, mtu: settings.mtu ?? master.mtu, sandbox: namespacePath,
      dns: settings.dns ?? addresses.dns,
      announcement: Config.canSetAddress ? .bySettingMAC : .byLinkUp)
    var plan = try interface.plan()
    plan.own = (settings.policy?.changesInContainer(owner, usesDHCP: settings.usesDHCP) ?? []) + plan.own
    return plan
  }

  private func checkedMaster(_ settings: ChildLinkSettings, _ hostState: ChildLinkHostState) throws(CNIError)
    -> LinkInfo
  {
    guard let master = hostState.master else { throw CNIError(.invalidNetworkConfig, settings.masterIsMissing) }
    return master
  }

  /// The rules of its policy in the container, whatever the configuration says now.
  public func removal<K: Kernel & ~Copyable>(of owner: AttachmentID, _ config: Config?, on kernel: inout K) -> [Change]
  { Config.limitsConnections ? [.removeRules(owner, .policies, everywhere: true)] : [] }

  public func garbage<K: Kernel & ~Copyable>(
    of network: NetworkName, _ config: Config, valid: Set<ValidAttachments.Attachment>, on kernel: inout K
  ) -> [Change] { [] }

  public func obstacle<K: Kernel & ~Copyable>(
    _ config: Config, on kernel: inout K
  ) throws(KernelError) -> String? {
    if config.policy != nil, let obstacle = kernel.filter.obstacle(.nftables) { return obstacle }
    // A parent in the container cannot be checked without a container; invalid settings are reported by ADD.
    guard config.common.netns == .host,
      let settings = try? ChildLinkSettings(config, RuntimeKeys(), CNIArguments(""))
    else { return nil }
    guard let master = try master(settings, under: nil, at: &kernel) else { return settings.masterIsMissing }
    guard master.isUp || !settings.needsMasterUp(config.common) else { return "master \(master.name) is down" }
    guard let trial = InterfaceName("trial") else { return nil }
    do throws(KernelError) {
      try kernel.testCreation(
        of: LinkSpec(trial, kind: .childLink(settings.childLink, over: LinkKey(master.name, on: .host))))
    } catch { return error.description }
    return nil
  }
}

extension ChildLinkSettings {
  /// Whether the parent must be up: a VLAN link is down while its parent is, and DAD needs a link that is up.
  fileprivate func needsMasterUp(_ common: MasterConfig) -> Bool {
    if case .vlan = childLink { return true }
    return detectsDuplicates && common.hasConfiguredIPv6
  }

  fileprivate var masterIsMissing: String {
    let place = netns == .host ? "on the host" : "in the container"
    guard let master else {
      return "key \"master\" is absent and there is no default route \(place): want the name of a link"
    }
    return "key \"master\": \"\(master)\": no such link \(place)"
  }
}
