import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit

/// The keys for the packet filter, checked.
struct BridgeFilter: Equatable {
  /// `nil` if packets are not masqueraded.
  var masquerade: Masquerading?
  var isolationMode: IsolationMode
  /// Whether no packets pass between the bridge and other links.
  var isInternal: Bool
  var guardsSource: Bool
  var addressCheck: SourceAddressCheck
  var links: [RuntimeKeys.Args.Link]
  /// `nil` for the host's packet filter.
  var backend: Backend?

  /// - Throws: code 7 for keys that contradict each other.
  init(_ config: BridgeConfig, _ keys: RuntimeKeys) throws(CNIError) {
    isInternal = config.isInternal ?? false
    masquerade = try Masquerading(config.masquerade)
    isolationMode = try IsolationMode(isolation: config.isolation) ?? IsolationMode.none
    guardsSource = config.macspoofchk ?? false
    let other = (config.vlanTrunk ?? []).isEmpty ? config.macLearning == true ? "macLearning" : nil : "vlanTrunk"
    addressCheck = try SourceAddressCheck(
      config.ipspoofchk, isDefault: isolationMode != .none || config.policy != nil, ipam: config.ipam,
      unless: other)
    links = keys.args?.cni?.links ?? []
    backend = try config.masquerade.checkedBackend()
    if isInternal, masquerade != nil || config.isDefaultGateway == true {
      let other = masquerade != nil ? "ipMasq" : "isDefaultGateway"
      throw CNIError(
        .invalidNetworkConfig,
        "keys \"internal\" and \"\(other)\": no packets leave an internal network: want only one of the keys"
      )
    }
    if !links.isEmpty, isolationMode != .container {
      throw CNIError(
        .invalidNetworkConfig, "key \"links\": containers reach each other anyway: want \"isolation\": \"container\"")
    }
    if !links.isEmpty, config.isGateway != true, config.isDefaultGateway != true {
      throw CNIError(
        .invalidNetworkConfig, "key \"links\": connections go through the host: want \"isGateway\": true with it")
    }
    if !links.isEmpty, config.ipspoofchk == false || other != nil {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"links\": the rules match addresses, which \"\(other ?? "ipspoofchk")\" does not check: want \"ipspoofchk\": true"
      )
    }
    if guardsSource {
      guard backend != .iptables else {
        throw CNIError(
          .unsupportedField, "key \"macspoofchk\": true: the iptables backend sees no frames: want \"nftables\"")
      }
      backend = .nftables
    }
  }

  /// The rules of one attachment; `nil` if it needs none.
  ///
  /// `separating`: whether these rules separate the containers, if `isolation` is `container`.
  func ruleSet(
    _ owner: AttachmentID, separating: Bool = true, bridge: InterfaceName, mac: MACAddress, addresses: [IPPrefix],
    peers: [LinkedPeer],
    name: String?
  ) -> RuleSet? {
    var rules: [Rule] = []
    if let isolation = isolation(of: bridge, separating) { rules.append(.isolate(isolation)) }
    for peer in peers { rules += peer.rules(from: addresses.map { $0.address }, on: bridge) }
    if guardsSource { rules.append(.guardSource(SourceGuard(owner.hostInterface, mac: mac))) }
    if let masquerade { rules += masquerade.rules(for: addresses) }
    guard !rules.isEmpty else { return nil }
    var ruleSet = RuleSet(owner, .network, rules, backend: backend)
    ruleSet.containerName = name
    ruleSet.addresses = addresses.map { $0.address }
    return ruleSet
  }

  private func isolation(of bridge: InterfaceName, _ separating: Bool) -> Isolation? {
    guard isInternal || isolationMode != .none else { return nil }
    return Isolation(
      bridge, reach: isInternal ? .closed : .network, separatesContainers: separating && isolationMode == .container)
  }
}

extension RuleSet {
  /// Proxy entries by which the host answers NDP for the IPv6 addresses of an isolated container.
  ///
  /// Equals `ip -6 neigh add proxy ADDRESS dev BRIDGE`.
  var proxies: [NeighbourSpec] {
    for rule in rules {
      switch rule {
      case .isolate(let isolation) where isolation.separatesContainers:
        return RuleSet.proxies(for: addresses, on: isolation.bridge)
      case .limit(let policy) where policy.ownNetwork != nil:
        return policy.links.flatMap { RuleSet.proxies(for: policy.addresses, on: $0) }
      default: break
      }
    }
    return []
  }

  private static func proxies(for addresses: [IPAddress], on link: InterfaceName) -> [NeighbourSpec] {
    addresses.filter { $0.family == .v6 }.map { NeighbourSpec($0, mac: nil, on: link, .host) }
  }
}

/// Another container of the network to which this one may open connections.
struct LinkedPeer: Equatable {
  var addresses: [IPAddress]
  var ports: [TransportPort]

  func rules(from own: [IPAddress], on bridge: InterfaceName) -> [Rule] {
    addresses.flatMap { to in
      own.filter { $0.family == to.family }.flatMap { from in
        ports.map { .link(AllowedConnection(bridge, from: from, to: to, $0.transport, $0.number)) }
      }
    }
  }
}

extension BridgeConfig {
  /// Whether ADD may add guards for source addresses.
  var wantsGuards: Bool { ipspoofchk ?? ((isolation ?? "none") != "none" || policy != nil) }

  /// Whether ADD adds packet filter rules.
  var wantsRules: Bool {
    masquerade.isOn || macspoofchk == true || isInternal == true || (isolation ?? "none") != "none"
  }
}
