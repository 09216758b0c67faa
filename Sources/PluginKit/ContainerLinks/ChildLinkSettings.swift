public import CNI
public import Kernel
public import NetTypes

/// The configuration of a link on top of a parent, with every value checked that needs no access to the host.
public struct ChildLinkSettings: Equatable {
  public var childLink: ChildLink
  /// `nil` for the link of the default route.
  public var master: InterfaceName?
  /// The namespace of the parent.
  public var netns: NetNS
  /// `nil` for the parent's MTU.
  public var mtu: Int?
  public var macSource: MACSource
  public var detectsDuplicates: Bool
  /// Whether the container accepts router advertisements on its link.
  public var routerAdvertisements: RouterAdvertisements
  public var policy: PolicyConfig?
  /// Whether a DHCP client gets the addresses.
  public var usesDHCP: Bool
  /// The metric of default routes; `nil` for the kernel's default.
  public var defaultMetric: Int?
  /// `dns` of the configuration or the runtime; `nil` for that of IPAM.
  public var dns: DNS?

  init<Config: ChildLinkConfig>(_ config: Config, _ keys: RuntimeKeys, _ arguments: CNIArguments) throws(CNIError) {
    let common = config.common
    childLink = try config.childLink()
    master = common.master
    netns = common.netns
    mtu = try checked("mtu", common.mtu == 0 ? nil : common.mtu, Addressing.mtuRange)
    macSource = try config.macSource(keys, arguments)
    detectsDuplicates = common.enabledad ?? false
    routerAdvertisements = common.routerAdvertisements
    policy = config.policy
    usesDHCP = common.usesDHCP
    defaultMetric = try Addressing.metric(gwPriority: keys.gwPriority(arguments) ?? common.gwPriority)
    dns = keys.effectiveDNS
    if case .configured(let mac) = macSource { try mac.checkUsable() }
    try policy?.checkInContainer()
  }
}

/// The present state of the host, as far as a link on top of a parent depends on it.
public struct ChildLinkHostState: Equatable {
  /// The parent; `nil` if there is no such link, or no default route.
  public var master: LinkInfo?
  /// The MAC address of the container's link if it exists, else a random one.
  public var containerMAC: MACAddress
}
