public import CNI
public import Kernel
public import NetTypes

/// The configuration of a link on top of another, with every value checked that needs no look at the host.
public struct UpperSettings: Equatable {
  public var upper: UpperLink
  /// `nil`: the link that the default route leaves by.
  public var master: InterfaceName?
  /// Where the master is.
  public var side: Side
  /// `nil`: the master's.
  public var mtu: Int?
  public var hardwareAddress: HardwareAddress
  public var detectsDuplicates: Bool
  /// Whether the container listens to routers on its link.
  public var routerAdvertisements: RouterAdvertisements
  /// The metric of default routes; `nil` leaves it to the kernel.
  public var defaultMetric: Int?
  /// Name service that the configuration or the runtime wants; `nil` leaves it to IPAM.
  public var dns: DNS?

  init<Config: UpperConfig>(_ config: Config, _ keys: RuntimeKeys, _ arguments: CNIArguments) throws(CNIError) {
    let common = config.common
    upper = try config.upper()
    master = common.master
    side = common.side
    mtu = try checked("mtu", common.mtu == 0 ? nil : common.mtu, Addressing.mtuRange)
    hardwareAddress = try config.hardwareAddress(keys, arguments)
    detectsDuplicates = common.enabledad ?? false
    routerAdvertisements = common.routerAdvertisements
    defaultMetric = try Addressing.metric(gwPriority: keys.gwPriority(arguments) ?? common.gwPriority)
    dns = keys.wantedDNS
    if case .given(let mac) = hardwareAddress { try mac.checkUsable() }
  }
}

/// What the host looks like to a link on top of another.
public struct UpperFacts: Equatable {
  /// `nil` where there is none of that name, or no default route.
  public var master: LinkInfo?
  /// What the container's link has, or a drawn one.
  public var containerMAC: MACAddress
}
