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
  /// The network's subnets, as far as its configuration has them.
  var ranges: NetworkRanges
  /// `nil` for the MTU of the default route's interface.
  var mtu: Int?
  var port: BridgePort
  /// `nil` if no VLAN is configured.
  var vlans: PortVLANs?
  /// The link on the host that holds the gateway's addresses: the bridge, or in a VLAN a link of its own.
  var gatewayLink: InterfaceName
  var isPromiscuous: Bool
  var detectsDuplicates: Bool
  var leavesInterfaceDown: Bool
  /// Whether the container accepts router advertisements on its link.
  var routerAdvertisements: RouterAdvertisements
  /// `nil` if it is derived from the IPv4 address or random.
  var mac: MACAddress?
  var derivesMAC: Bool
  /// The metric of default routes; `nil` for the kernel's default.
  var defaultMetric: Int?
  /// `dns` of the configuration or the runtime; `nil` for that of IPAM.
  var dns: DNS?
  /// Whether IP forwarding is switched on, if the host is the gateway.
  var forwards: Bool
  var filter: BridgeFilter
  var policy: PolicyConfig?
  /// The labels by which policies know the container.
  var labels: [Label]
  /// The container's name, if the runtime sends it.
  var containerName: String?

  static let defaultBridge = InterfaceName("cni0")

  /// - Throws: code 7 for a value that is not valid, code 2 for one that the wanted packet filter does not support.
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
    if filter.isolationMode == .container { port.isolated = true }
    policy = try config.checkedPolicy()
    labels = keys.memberLabels
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
    dns = keys.effectiveDNS
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
