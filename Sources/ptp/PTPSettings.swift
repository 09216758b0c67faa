import CNI
import NetTypes
import PacketFilter
import PluginKit

/// The configuration with every value checked.
struct PTPSettings: Equatable {
  /// The path of another container's namespace; `nil` if the other end is on the host.
  var peer: String?
  /// The other end's name in the peer; `nil` for the same name as on the host.
  var peerInterface: InterfaceName?
  /// Whether IP forwarding is switched on.
  var forwards: Bool
  /// `nil` for the MTU of the default route's interface.
  var mtu: Int?
  var detectsDuplicates: Bool
  /// Whether the container accepts router advertisements on its link.
  var routerAdvertisements: RouterAdvertisements
  /// `nil` if it is derived from the IPv4 address or random.
  var mac: MACAddress?
  var derivesMAC: Bool
  /// The metric of default routes; `nil` for the kernel's default.
  var defaultMetric: Int?
  /// `dns` of the configuration or the runtime; `nil` for that of IPAM.
  var dns: DNS?
  /// `nil` if packets are not masqueraded.
  var masquerading: Masquerading?
  /// `nil` for the host's packet filter.
  var backend: Backend?
  /// The container's name, if the runtime sends it.
  var containerName: String?

  /// - Throws: code 7 for a value that is not valid.
  init(_ config: PTPConfig, _ keys: RuntimeKeys, _ arguments: CNIArguments) throws(CNIError) {
    try Self.check(config.ipam)
    peer = config.peerPath
    peerInterface = config.peerInterface
    forwards = config.ipForward ?? (peer == nil)
    mtu = try checked("mtu", config.mtu == 0 ? nil : config.mtu, Addressing.mtuRange)
    detectsDuplicates = config.enabledad ?? false
    routerAdvertisements = config.routerAdvertisements
    mac = try keys.mac(arguments)
    derivesMAC = config.macFromIP ?? false
    defaultMetric = try Addressing.metric(gwPriority: keys.gwPriority(arguments) ?? config.gwPriority)
    dns = keys.effectiveDNS
    masquerading = try Masquerading(config.masquerade)
    backend = try config.masquerade.checkedBackend()
    containerName = keys.containerName(arguments)
    try mac?.checkUsable()
    try checkCombinations()
  }

  private static func check(_ ipam: PluginType?) throws(CNIError) {
    guard let ipam else {
      throw CNIError(
        .invalidNetworkConfig, "key \"ipam\" is missing: both ends of the link need addresses")
    }
    guard !ipam.needsLink else {
      throw CNIError(
        .invalidNetworkConfig, "key \"ipam\": \(ipam) asks a server on the link, but a ptp link has none: want another")
    }
  }

  private func checkCombinations() throws(CNIError) {
    if peer == nil, peerInterface != nil {
      throw CNIError(.invalidNetworkConfig, "key \"peerIfName\": the plugin names the end on the host: want a \"peer\"")
    }
    guard let peer else { return }
    if masquerading != nil || forwards {
      let key = masquerading != nil ? "ipMasq" : "ipForward"
      throw CNIError(
        .invalidNetworkConfig,
        "keys \"peer\": \"\(peer)\" and \"\(key)\": no packets pass through the host: want only one of the keys")
    }
  }
}
