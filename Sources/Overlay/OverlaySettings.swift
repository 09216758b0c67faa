public import CNI
public import Kernel
public import NetTypes
public import PacketFilter
public import PluginKit

/// The configuration with every value checked.
public struct OverlaySettings: Equatable, Sendable {
  public var mode: OverlayMode
  /// The parameters of the VXLAN device.
  public var tunnel: VXLAN
  /// The link that sends the VXLAN device's packets; `nil`: the routing table decides.
  public var dev: InterfaceName?
  public var vtepMAC: MACAddress
  /// The bridge's MAC address, the same on all hosts of a network.
  public var bridgeMAC: MACAddress
  public var local: IPAddress
  /// `nil`: the underlay's MTU less the tunnel's overhead.
  public var mtu: Int?
  public var checksumOffload: Bool?
  /// Settings of the VXLAN device as a port of the bridge, in mode l2.
  public var tunnelPort: BridgePort
  /// Settings of the containers' ports.
  public var port: BridgePort
  /// The network's prefixes on all hosts.
  public var network: [IPPrefix]
  public var controlState: ControlPlaneState
  /// The devices whose tables need no change; `nil`: they must be compared.
  var written: WrittenDevices?
  /// Whether this plugin fills the tunnel tables; with multicast and EVPN it does not.
  public var ownsTables: Bool
  /// Whether a routing daemon announces the containers to other hosts (EVPN).
  public var isEVPN: Bool
  /// `nil`: the host's main routing table.
  public var vrf: OverlayVRF?
  public var routesDirectly: Bool
  public var isGateway: Bool
  public var isDefaultGateway: Bool
  public var forwards: Bool
  public var masquerade: Masquerading?
  public var isolationMode: IsolationMode
  public var addressCheck: SourceAddressCheck
  public var backend: Backend?
  public var policy: PolicyConfig?
  /// The labels by which policies know the container.
  public var labels: [Label]
  public var detectsDuplicates: Bool
  /// How the container treats router advertisements on its link.
  public var routerAdvertisements: RouterAdvertisements
  public var mac: MACAddress?
  public var derivesMAC: Bool
  /// The metric of default routes; `nil` leaves it to the kernel.
  public var defaultMetric: Int?
  public var dns: DNS?
  /// `nil` if the runtime does not pass it.
  public var containerName: String?
  private var givenBridge: InterfaceName?
  private var givenVXLAN: InterfaceName?

  /// Checks a configuration and fills in its defaults.
  ///
  /// - Parameters:
  ///   - input: the configuration with what the control plane says.
  ///   - keys: the values that the runtime passes.
  ///   - arguments: `CNI_ARGS`.
  /// - Throws: code 7 for an invalid value, code 2 for a value that the configured packet filter does not support.
  public init(_ input: OverlayInput, _ keys: RuntimeKeys, _ arguments: CNIArguments) throws(CNIError) {
    let config = input.config
    mode = try config.checkedMode()
    local = input.local
    controlState = input.controlState
    written = input.written
    tunnel = try config.tunnel(from: local, controlState)
    dev = config.dev
    vtepMAC = config.vtepMAC ?? controlState.vtepMAC ?? MACAddress(forTunnelOf: tunnel.vni, from: local)
    isGateway = config.isGateway ?? true
    isDefaultGateway = config.isDefaultGateway ?? isGateway
    bridgeMAC = config.gatewayMAC ?? MACAddress(forGatewayOf: tunnel.vni)
    mtu = try checked("mtu", config.mtu == 0 ? nil : config.mtu, Addressing.mtuRange)
    checksumOffload = config.txChecksumOffload
    network = controlState.network.isEmpty ? config.network : controlState.network
    isEVPN = config.controlPlane.isEVPN
    vrf = try OverlayVRF(config, tunnel, local: local)
    ownsTables = config.controlPlane.providesSubnets
    routesDirectly = controlState.isDirectRouting ?? config.directRouting ?? false
    forwards = config.ipForward ?? true
    masquerade = try Masquerading(config.masquerade)
    isolationMode = try IsolationMode(isolation: config.isolation) ?? config.defaultIsolation
    addressCheck = try SourceAddressCheck(
      config.ipspoofchk, isDefault: isolationMode != .none || config.policy != nil, ipam: config.ipam,
      unless: config.macLearning == true ? "macLearning" : nil)
    backend = try config.masquerade.checkedBackend()
    (policy, labels) = (config.policy, keys.memberLabels)
    (port, tunnelPort) = Self.ports(config, isolationMode, tunnel)
    (detectsDuplicates, routerAdvertisements) = (config.enabledad ?? false, config.routerAdvertisements)
    mac = try keys.mac(arguments)
    derivesMAC = config.macFromIP ?? true
    defaultMetric = try Addressing.metric(gwPriority: keys.gwPriority(arguments) ?? config.gwPriority)
    dns = keys.effectiveDNS
    containerName = keys.containerName(arguments)
    (givenBridge, givenVXLAN) = (config.bridge, config.vxlan)
    try config.checkCombinations(mode, local: local)
    try config.checkAddresses(mode, keys)
    try checkPolicy(config)
    try check(config.controlPlane)
  }

  /// Settings of a container's port and of the VXLAN device's port on the bridge.
  private static func ports(
    _ config: OverlayConfig, _ isolationMode: IsolationMode, _ tunnel: VXLAN
  ) -> (container: BridgePort, tunnel: BridgePort) {
    let isolated = config.portIsolation == true || isolationMode == .container
    var port = BridgePort(
      hairpin: config.hairpinMode == true ? true : nil, isolated: isolated ? true : nil,
      learning: config.macLearning ?? false)
    // If other hosts' VXLAN devices learn MAC addresses, a container that forges another's address would get its
    // traffic. A locked port drops such frames.
    if tunnel.learns, port.learning == false { port.locked = true }
    // neigh_suppress also drops the gratuitous ARP by which other hosts learn that a container has moved.
    return (
      port,
      BridgePort(isolated: isolated, learning: tunnel.learns, neighSuppress: config.neighSuppress ?? !tunnel.learns)
    )
  }

  public func names(of network: NetworkName) -> OverlayNames {
    OverlayNames(network, bridge: givenBridge, vxlan: givenVXLAN)
  }

  /// The metric that marks this network's direct routes (key `directRouting`).
  var directMetric: Int { Self.directMetric(vni: tunnel.vni) }

  static func directMetric(vni: Int) -> Int { (1 << 30) + vni }

  private func check(_ plane: ControlPlane) throws(CNIError) {
    try mac?.checkUsable()
    try checkPeers(plane)
    if routesDirectly, isolationMode != .none, network.isEmpty {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"directRouting\": true: \"network\" is missing: want the prefixes of all its hosts, from which the isolation rules accept packets",
        details: "or \"isolation\": \"none\"")
    }
    guard mode == .l3, masquerade != nil else { return }
    for family in IPFamily.allCases where network.filter({ $0.family == family }).count > 1 {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"network\": \(network.map { $0.description }.joined(separator: ", ")): want at most one prefix of each family with \"ipMasq\""
      )
    }
    if network.isEmpty {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"ipMasq\": true: \"network\" is missing: want the prefixes of all its hosts, between which packets are not masqueraded"
      )
    }
  }
}

extension OverlayConfig {
  fileprivate func tunnel(from local: IPAddress, _ controlState: ControlPlaneState) throws(CNIError) -> VXLAN {
    let given = try checkedVNI(), etcdVNI = controlState.vni
    if let given, let etcdVNI, given != etcdVNI {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"vni\": \(given): the network's configuration in etcd has \(etcdVNI): want that value")
    }
    guard let vni = given ?? etcdVNI else {
      throw CNIError(.invalidNetworkConfig, "key \"vni\": missing: want 1 to 16777215")
    }
    let givenPort = try checkedPort(), etcdPort = controlState.port
    if let givenPort, let etcdPort, givenPort != etcdPort {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"dstport\": \(givenPort): the network's configuration in etcd has \(etcdPort): want that value")
    }
    var tunnel = VXLAN(vni: vni, port: givenPort ?? etcdPort ?? controlPlane.defaultPort)
    tunnel.local = local
    if case .multicast(let group) = controlPlane { tunnel.group = group }
    tunnel.ttl = try checked("ttl", ttl, KeyRange.ttl)
    if let df {
      guard let dontFragment = VXLAN.DontFragment(rawValue: df) else {
        throw CNIError(.invalidNetworkConfig, "key \"df\": \"\(df)\": want unset, set or inherit")
      }
      tunnel.df = dontFragment
    }
    tunnel.learns = learning ?? (tunnel.group != nil)
    tunnel.udpChecksum = udpcsum
    tunnel.sendsZeroChecksums = udp6zerocsumtx
    tunnel.acceptsZeroChecksums = udp6zerocsumrx
    return tunnel
  }
}

extension ControlPlane {
  /// 4789, the port that IANA assigned; 8472 with etcd, because flannel uses it.
  fileprivate var defaultPort: UInt16 { if case .etcd = self { 8472 } else { 4789 } }
}
