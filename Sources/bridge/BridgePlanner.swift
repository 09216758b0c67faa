import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit

/// Computes all changes and the result of one attachment, without access to the kernel.
struct BridgePlanner {
  var settings: BridgeSettings
  var hostState: BridgeHostState
  var owner: AttachmentID
  var sandbox: String
  /// The result of the IPAM plugin.
  var addresses: AddResult

  func plan() throws(CNIError) -> AttachmentPlan {
    try settings.checkPolicy(in: owner.network)
    if let existing = hostState.bridge, existing.kind != "bridge" {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"bridge\": \"\(settings.bridge)\" is \(existing.kindDescription): want a bridge or a free name")
    }
    if settings.vlans != nil, hostState.bridge?.filtersVLANs == false {
      throw CNIError(
        .invalidNetworkConfig, "bridge \(settings.bridge) does not filter VLANs: want vlan_filtering on",
        details: "ip link set \(settings.bridge) type bridge vlan_filtering 1")
    }
    let mtu = try checkedMTU()
    let mac = try containerMAC()
    var addressing = Addressing(of: owner.interface, mac: mac, addresses)
    addressing.detectsDuplicates = settings.detectsDuplicates
    addressing.routerAdvertisements = settings.routerAdvertisements
    if settings.isGateway { addressing.fillInGateways() }
    if settings.isDefaultGateway { addressing.addDefaultRoutes() }
    if let metric = settings.defaultMetric { addressing.setDefaultMetric(metric) }
    if settings.filter.isInternal { addressing.routes.removeAll { $0.dst.length == 0 } }
    return AttachmentPlan(
      shared: bridgeChanges(mtu: mtu) + gatewayLinkChanges(mtu: mtu) + (try gatewayChanges(addressing)) + linkChanges,
      own: try ownChanges(addressing, mtu: mtu),
      result: result(addressing, mtu: mtu))
  }

  /// The configured MTU, else the smaller one of uplink and bridge (uplink only for a bridge that is new or ours).
  private func checkedMTU() throws(CNIError) -> Int {
    let mtu = settings.mtu ?? [hostState.uplinkMTU, hostState.bridge?.mtu].compactMap { $0 }.min() ?? 1500
    try addresses.check(mtu: mtu)
    return mtu
  }

  private func containerMAC() throws(CNIError) -> MACAddress {
    if let given = settings.mac { return given }
    return settings.derivesMAC ? try addresses.derivedMAC() : hostState.containerMAC
  }

  private func bridgeChanges(mtu: Int) -> [Change] {
    // With a MAC address at creation the bridge does not take the lowest one of its ports.
    let spec = LinkSpec(
      settings.bridge, kind: .bridge(filtersVLANs: settings.vlans != nil), mac: hostState.bridgeMAC, mtu: mtu,
      group: Isolation.linkGroup, alias: AttachmentID.tagPrefix(owner.network))
    let isOurs = hostState.bridge == nil || hostState.ownBridge != nil
    let state = LinkChange(
      isUp: true, isPromiscuous: settings.isPromiscuous ? true : nil, mac: hostState.bridge?.unpinnedMAC,
      group: isOurs ? Isolation.linkGroup : nil)
    // Set before the bridge is up; a killed ADD may have left it down.
    let isUnfinished = isOurs && hostState.bridge?.isUp != true
    return [.createLink(spec)] + (isUnfinished ? [.setSysctls([.ignoringRouters(settings.bridge)], on: .host)] : [])
      + [.changeLink(settings.bridge, on: .host, state)]
  }

  private func gatewayChanges(_ addressing: Addressing) throws(CNIError) -> [Change] {
    guard settings.isGateway else { return [] }
    var gateway = HostGateway(
      on: settings.gatewayLink, hostState.gatewayAddresses, of: hostState.bridge?.name,
      isOurs: hostState.ownBridge != nil || hostState.isReferenceBridge)
    gateway.ranges = settings.ranges
    gateway.advertisedLinks = hostState.advertisedLinks
    gateway.replaces = settings.forceAddress
    gateway.skipsDAD = !settings.detectsDuplicates
    gateway.forwards = settings.forwards
    return try gateway.changes(addressing)
  }

  private func port(mtu: Int) -> ContainerBridgePort {
    var port = ContainerBridgePort(owner, on: settings.bridge, hostState.bridge, mtu: mtu, hostMAC: hostState.hostMAC)
    port.keepsBridgeMTU = hostState.ownBridge == nil
    port.settings = settings.port
    port.changedMAC = hostState.changedMAC
    port.vlans = settings.vlans
    port.staysDown = settings.leavesInterfaceDown
    return port
  }

  private func ownChanges(_ addressing: Addressing, mtu: Int) throws(CNIError) -> [Change] {
    var port = port(mtu: mtu)
    if let ruleSet = try ruleSet(addressing) { port.guards = [.addRules(ruleSet)] + linkProxies(ruleSet) }
    port.guards += hostState.addressCheck.changes(owner, addressing)
    let policyChanges = self.policyChanges(addressing)
    port.guards += policyChanges + ownProxies(policyChanges)
    return try port.changes(addressing) + (settings.isGateway ? HostGateway.containerRoutes(addressing) : [])
  }

  /// The rules, which are in place before the container can send.
  ///
  /// They name the link through which the host forwards; in a VLAN that is not the bridge.
  private func ruleSet(_ addressing: Addressing) throws(CNIError) -> RuleSet? {
    if !settings.filter.links.isEmpty, settings.filter.addressCheck != .no, hostState.addressCheck == .no {
      throw CNIError(
        .unsupportedField,
        "key \"links\": the rules match addresses, which a host without nf_tables cannot check: want no links")
    }
    for (link, peer) in zip(settings.filter.links, hostState.peers) where peer == nil {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"links\": \"\(link.container)\": want the name or identifier of a container on \(owner.network)")
    }
    // If policies are for the network's own containers, they keep them apart.
    return settings.filter.ruleSet(
      owner, separating: !settings.hasOwnPolicy(owner.network), bridge: settings.gatewayLink, mac: addressing.mac,
      addresses: addressing.ips.map { $0.address },
      peers: hostState.peers.compactMap { $0 }, name: settings.containerName)
  }

  /// The proxy entries for NDP: IPv6 has no per-link switch like `proxy_arp_pvlan`, so each linked address gets one.
  private func linkProxies(_ ruleSet: RuleSet) -> [Change] {
    guard !settings.filter.links.isEmpty else { return [] }
    let peers = hostState.peers.compactMap { $0 }.flatMap { $0.addresses }.filter { $0.family == .v6 }
    return (ruleSet.proxies + peers.map { NeighbourSpec($0, mac: nil, on: settings.gatewayLink, .host) })
      .map { .setNeighbour($0) }
  }

  private func policyChanges(_ addressing: Addressing) -> [Change] {
    settings.policy?.changes(
      owner, addressing.ips.map { $0.address.address }, on: [settings.gatewayLink],
      separated: settings.filter.isolationMode == .container, settings.labels) ?? []
  }

  /// The proxy entries for a container that others may reach by its policy.
  private func ownProxies(_ policyChanges: [Change]) -> [Change] {
    var proxies: [NeighbourSpec] = []
    for case .addRules(let ruleSet) in policyChanges { proxies += ruleSet.proxies }
    return proxies.map { .setNeighbour($0) }
  }

  /// Containers that may reach each other do so through the host, which answers ARP for them; their ports stay isolated.
  private var linkChanges: [Change] {
    guard !settings.filter.links.isEmpty || settings.hasOwnPolicy(owner.network) else { return [] }
    let bridge = settings.gatewayLink
    return [
      .setSysctls(
        [
          .conf(.v4, bridge, "proxy_arp_pvlan", "1"), .conf(.v4, bridge, "send_redirects", "0"),
          .conf(.v6, bridge, "proxy_ndp", "1", isOptional: true),
          Sysctl("net/ipv6/neigh/\(bridge)/proxy_delay", "0", isOptional: true),
        ], on: .host)
    ]
  }

  private func result(_ addressing: Addressing, mtu: Int) -> AddResult {
    // Another program's bridge takes its address from its ports, so the result leaves that address out.
    let bridgeMAC = hostState.bridge == nil ? hostState.bridgeMAC : hostState.ownBridge?.mac
    var result = port(mtu: mtu).result(
      bridgeMAC: bridgeMAC, addressing, sandbox: sandbox, dns: settings.dns ?? addresses.dns)
    if settings.gatewayLink != settings.bridge {
      let mac = hostState.gatewayMAC.description
      result.interfaces.append(.init(name: settings.gatewayLink.description, mac: mac, mtu: mtu))
    }
    return result
  }
}
