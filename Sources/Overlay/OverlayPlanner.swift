public import CNI
import Kernel
import NetTypes
import PacketFilter
public import PluginKit

/// Plans one attachment; depends only on the settings, the host state and the addresses.
public struct OverlayPlanner {
  var devices: OverlayDevices
  var owner: AttachmentID
  var sandbox: String
  /// The result of the IPAM plugin.
  var addresses: AddResult

  /// - Parameters:
  ///   - settings: the configuration.
  ///   - hostState: the host.
  ///   - owner: the attachment.
  ///   - sandbox: the path of the container's namespace.
  ///   - addresses: the result of the IPAM plugin.
  public init(
    _ settings: OverlaySettings, _ hostState: OverlayHostState, owner: AttachmentID, sandbox: String,
    addresses: AddResult
  ) {
    devices = OverlayDevices(settings: settings, hostState: hostState, network: owner.network)
    self.owner = owner
    self.sandbox = sandbox
    self.addresses = addresses
  }

  var settings: OverlaySettings { devices.settings }
  private var hostState: OverlayHostState { devices.hostState }

  /// Plans the ADD of the attachment.
  ///
  /// - Throws: code 7 if the attachment cannot be made on this host.
  public func plan() throws(CNIError) -> AttachmentPlan {
    try settings.policy?.check(in: owner.network)
    if let written = settings.written, !written.areThose(of: devices) { throw WrittenDevices.areGone }
    try devices.check()
    let mtu = try devices.checkedMTU()
    try addresses.check(mtu: mtu)
    let addressing = try addressing()
    let gateways = settings.isGateway ? HostGateway.gatewayPrefixes(addressing) : []
    let port = port(addressing, mtu: mtu)
    let shared =
      devices.tunnelGuardChanges + farPolicyRules + devices.changes(mtu: mtu, families: addressing.families)
      + tunnelAddresses(addressing)
      + (try gatewayChanges(addressing)) + tables(gateways)
    let bridgeMAC = hostState.bridge == nil ? settings.bridgeMAC : hostState.bridge?.mac
    return AttachmentPlan(
      waits: withdrawalWait(addressing), shared: shared,
      own: (devices.losesNeighbours ? tables(gateways) : []) + (try port.changes(addressing))
        + (port.pinsBridge ? tables(gateways) : []) + gatewayRoutes(addressing) + announcements(addressing),
      result: port.result(
        bridgeMAC: devices.ownsBridge ? bridgeMAC : nil, addressing, sandbox: sandbox,
        dns: settings.dns ?? addresses.dns))
  }

  private func addressing() throws(CNIError) -> Addressing {
    var addressing = Addressing(of: owner.interface, mac: containerMAC, addresses)
    addressing.detectsDuplicates = settings.detectsDuplicates
    addressing.routerAdvertisements = settings.routerAdvertisements
    if settings.isGateway { addressing.fillInGateways() }
    if settings.mode == .l3 {
      try checkRouted(addressing)
      addressing.addRoutes(to: settings.network)
    }
    if settings.isDefaultGateway { addressing.addDefaultRoutes() }
    if let metric = settings.defaultMetric { addressing.setDefaultMetric(metric) }
    return addressing
  }

  private var containerMAC: MACAddress {
    if let given = settings.mac { return given }
    let all = addresses.ips.map { $0.address.address }
    guard settings.derivesMAC, let first = all.first(where: { $0.family == .v4 }) ?? all.first else {
      return hostState.containerMAC
    }
    return MACAddress(forContainer: first)
  }

  private func checkRouted(_ addressing: Addressing) throws(CNIError) {
    guard !addressing.ips.isEmpty else {
      throw CNIError(
        .invalidNetworkConfig, "key \"ipam\": the plugin gave no address: want one, for the routes of mode l3")
    }
    for ip in addressing.ips {
      if ip.gateway == nil {
        throw CNIError(
          .invalidNetworkConfig,
          "address \(ip.address): no gateway is given and none can be derived: want one in its subnet")
      }
      let own = settings.controlState.ownSubnets.filter { $0.family == ip.address.family }
      if !own.isEmpty, !own.contains(where: { $0.contains(ip.address.address) }) {
        let subnets = own.map { $0.description }.joined(separator: ", ")
        throw CNIError(
          .invalidNetworkConfig, "address \(ip.address): other hosts route to this host only \(subnets)",
          details: "an \"ipam\" of type host-local without subnet and ranges uses that subnet")
      }
      for peer in settings.controlState.peers {
        guard let subnet = peer.subnets.first(where: { $0.contains(ip.address.address) }) else { continue }
        throw CNIError(
          .invalidNetworkConfig,
          "address \(ip.address): subnet \(subnet) is behind peer \(peer.vtep): want another subnet on this host")
      }
    }
  }

  /// Adds the subnet's lowest address to the VXLAN device: other hosts route via it, and a route needs a source there.
  private func tunnelAddresses(_ addressing: Addressing) -> [Change] {
    guard settings.mode == .l3 else { return [] }
    var seen: Set<IPPrefix> = []
    let own = addressing.ips.filter { $0.address.first != $0.gateway }.map { IPPrefix(host: $0.address.first) }
    return own.filter { seen.insert($0).inserted }.map {
      .addAddress(AddressSpec($0, on: devices.names.vxlan, .host, isSource: false, addsSubnetRoute: false))
    }
  }

  private func gatewayChanges(_ addressing: Addressing) throws(CNIError) -> [Change] {
    guard settings.isGateway else { return [] }
    var gateway = HostGateway(
      on: devices.names.bridge, hostState.gatewayAddresses, of: hostState.bridge?.name, isOurs: devices.ownsBridge)
    gateway.forwards = settings.forwards
    gateway.advertisedLinks = hostState.advertisedLinks
    gateway.ranges.subnets = settings.network
    return try gateway.changes(addressing)
  }

  private func gatewayRoutes(_ addressing: Addressing) -> [Change] {
    settings.isGateway ? HostGateway.containerRoutes(addressing) : []
  }

  private func tables(_ gateways: [IPPrefix]) -> [Change] {
    guard settings.written == nil else { return [] }
    let tables = settings.tables(devices.names, hostState, gateways: gateways.map { $0.address })
    return tables.map { [.setTunnelTables($0)] } ?? []
  }

  private func port(_ addressing: Addressing, mtu: Int) -> ContainerBridgePort {
    var bridge = hostState.bridge
    // The bridge has a fixed MAC address. Setting it again would remove the neighbour entries of all its containers.
    if devices.ownsBridge { bridge?.keepsMAC = true }
    var port = ContainerBridgePort(owner, on: devices.names.bridge, bridge, mtu: mtu, hostMAC: hostState.hostMAC)
    port.keepsBridgeMTU = !devices.ownsBridge
    port.settings = settings.port
    port.changedMAC = hostState.changedMAC
    // `announcements` sets the FDB entry for the routing daemon.
    if settings.isEVPN { port.entry = nil }
    port.guards =
      (ruleSet(addressing).map { [.addRules($0)] } ?? []) + hostState.addressCheck.changes(owner, addressing)
      + policyRules(addressing)
    return port
  }

  private func ruleSet(_ addressing: Addressing) -> RuleSet? {
    let own = addressing.ips.map { $0.address }
    var rules: [Rule] = []
    if settings.isolationMode != .none {
      rules.append(
        .isolate(
          Isolation(
            devices.names.bridge, partner: settings.mode == .l3 ? devices.names.vxlan : nil,
            directPrefixes: settings.routesDirectly ? settings.network : [], reach: .network,
            separatesContainers: settings.isolationMode == .container)))
    }
    if let masquerade = settings.masquerade {
      rules += own.map { address in
        let subnet = settings.network.first { $0.contains(address.address) } ?? address.network
        return .masquerade(Masquerade(address.address, in: subnet, isRandom: masquerade.isRandom))
      }
    }
    guard !rules.isEmpty else { return nil }
    var ruleSet = RuleSet(owner, .network, rules, backend: settings.backend)
    ruleSet.containerName = settings.containerName
    ruleSet.addresses = own.map { $0.address }
    return ruleSet
  }

  /// Waits until the EVPN route to the container's former host is withdrawn, before the container appears on this host.
  ///
  /// A daemon that still has the old route announces the next one with a higher mobility sequence number. Once all daemons have
  /// withdrawn it, the number starts at 0 again; a daemon that was busy meanwhile ignores the lower number
  /// from then on (FRR issue 10468).
  private func withdrawalWait(_ addressing: Addressing) -> [Change] {
    guard settings.isEVPN, hostState.vxlan != nil else { return [] }
    return [.awaitFDBRemoval(FDBSpec(addressing.mac, on: devices.names.vxlan, in: .externallyLearned))]
  }

  /// Entries that a routing daemon announces before the container has sent anything.
  ///
  /// Equals `bridge fdb replace MAC dev PORT master dynamic extern_learn` and
  /// `ip neighbour replace ADDRESS lladdr MAC dev BRIDGE nud permanent`.
  private func announcements(_ addressing: Addressing) -> [Change] {
    guard settings.isEVPN else { return [] }
    return [.setFDB(FDBSpec(addressing.mac, on: owner.hostInterface, in: .externallyLearned))]
      + addressing.ips.map {
        .setNeighbour(NeighbourSpec($0.address.address, mac: addressing.mac, on: devices.names.bridge, .host))
      }
  }
}

extension Addressing {
  /// Adds routes to all of a network's prefixes through its gateway, except to those that have a route or are on-link.
  fileprivate mutating func addRoutes(to network: [IPPrefix]) {
    for prefix in network where !routes.contains(where: { $0.dst == prefix }) {
      guard let gateway = gateway(prefix.family), !ips.contains(where: { $0.address.network == prefix }) else {
        continue
      }
      routes.append(Route(dst: prefix, gw: gateway))
    }
  }
}
