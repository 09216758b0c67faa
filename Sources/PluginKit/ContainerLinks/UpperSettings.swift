public import CNI
public import Kernel
public import NetTypes

/// The configuration of a link on top of a parent, with every value checked that needs no access to the host.
public struct UpperSettings: Equatable {
  public var upper: UpperLink
  /// `nil` for the link of the default route.
  public var master: InterfaceName?
  /// The namespace of the parent.
  public var netns: NetNS
  /// `nil` for the parent's MTU.
  public var mtu: Int?
  public var hardwareAddress: HardwareAddress
  public var detectsDuplicates: Bool
  /// Whether the container accepts router advertisements on its link.
  public var routerAdvertisements: RouterAdvertisements
  /// The metric of default routes; `nil` for the kernel's default.
  public var defaultMetric: Int?
  /// `dns` of the configuration or the runtime; `nil` for that of IPAM.
  public var dns: DNS?

  init<Config: UpperConfig>(_ config: Config, _ keys: RuntimeKeys, _ arguments: CNIArguments) throws(CNIError) {
    let common = config.common
    upper = try config.upper()
    master = common.master
    netns = common.netns
    mtu = try checked("mtu", common.mtu == 0 ? nil : common.mtu, Addressing.mtuRange)
    hardwareAddress = try config.hardwareAddress(keys, arguments)
    detectsDuplicates = common.enabledad ?? false
    routerAdvertisements = common.routerAdvertisements
    defaultMetric = try Addressing.metric(gwPriority: keys.gwPriority(arguments) ?? common.gwPriority)
    dns = keys.wantedDNS
    if case .given(let mac) = hardwareAddress { try mac.checkUsable() }
  }
}

/// The present state of the host, as far as a link on top of a parent depends on it.
public struct UpperHostState: Equatable {
  /// The parent; `nil` if there is no such link, or no default route.
  public var master: LinkInfo?
  /// The MAC address of the container's link if it exists, else a random one.
  public var containerMAC: MACAddress
}
