import CNI
import Kernel
import NetTypes
import PluginKit

/// The configuration with every value checked.
struct BridgeSettings: Equatable {
  var bridge: InterfaceName
  var isGateway: Bool
  var isDefaultGateway: Bool
  var forceAddress: Bool
  /// The subnets of the network, as far as its configuration names them.
  var ranges: NetworkRanges
  /// `nil`: as the default route's interface has it.
  var mtu: Int?
  var port: BridgePort
  /// `nil`: the bridge knows no VLANs.
  var vlans: PortVLANs?
  /// The link on the host that holds the gateway's addresses: the bridge, or in a VLAN a link of its own.
  var gatewayLink: InterfaceName
  var isPromiscuous: Bool
  var detectsDuplicates: Bool
  var leavesInterfaceDown: Bool
  /// Whether the container listens to routers on its link.
  var routerAdvertisements: RouterAdvertisements
  /// `nil`: derived or drawn.
  var mac: MACAddress?
  var derivesMAC: Bool
  /// The metric of default routes; `nil` leaves it to the kernel.
  var defaultMetric: Int?
  /// Name service that the configuration or the runtime wants; `nil` leaves it to IPAM.
  var dns: DNS?
  /// Whether the host forwards packets where it is a gateway.
  var forwards: Bool
  var filter: BridgeFilter
  /// Where the runtime tells it.
  var containerName: String?

  static let defaultBridge = InterfaceName("cni0")

  /// - Throws: code 7 for a value that cannot be, code 2 for one that the packet filter wanted does not support.
  init(_ config: BridgeConfig, _ keys: RuntimeKeys, _ arguments: CNIArguments) throws(CNIError) {
    guard let name = config.bridge ?? Self.defaultBridge else { preconditionFailure("cni0 is an interface name") }
    bridge = name
    isDefaultGateway = config.isDefaultGateway ?? false
    isGateway = config.isGateway ?? false || isDefaultGateway
    forceAddress = config.forceAddress ?? false
    ranges = config.ranges
    mtu = try checked("mtu", config.mtu == 0 ? nil : config.mtu, Addressing.mtuRange)
    port = BridgePort(
      hairpin: config.hairpinMode == true ? true : nil, isolated: config.portIsolation == true ? true : nil,
      learning: config.macLearning ?? false)
    filter = try BridgeFilter(config, keys)
    if filter.separation == .container { port.isolated = true }
    forwards = config.ipForward ?? true
    containerName = keys.containerName(arguments)
    vlans = try PortVLANs(config)
    gatewayLink = isGateway ? try Self.gatewayLink(bridge, vlans?.native) : bridge
    isPromiscuous = config.promiscMode ?? false
    detectsDuplicates = config.enabledad ?? false
    leavesInterfaceDown = config.disableContainerInterface ?? false
    routerAdvertisements = config.routerAdvertisements
    mac = try keys.mac(arguments)
    derivesMAC = config.macFromIP ?? false
    defaultMetric = try Addressing.metric(gwPriority: keys.gwPriority(arguments) ?? config.gwPriority)
    dns = keys.wantedDNS
    try checkCombinations(ipam: config.ipam)
  }

  private func checkCombinations(ipam: PluginType?) throws(CNIError) {
    if port.hairpin == true, isPromiscuous {
      throw CNIError(.invalidNetworkConfig, "keys \"hairpinMode\" and \"promiscMode\": want one of them, not both")
    }
    if leavesInterfaceDown, ipam != nil {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"disableContainerInterface\": true: a link that stays down can have no \"ipam\"")
    }
    if derivesMAC, mac == nil, let ipam, ipam.needsLink {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"macFromIP\": true: \(ipam) hands out addresses by the interface's MAC address: want another \"ipam\"")
    }
    try mac?.checkUsable()
  }
}
