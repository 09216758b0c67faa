import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit

/// Computes all changes and the result of one attachment, without access to the kernel.
///
/// With a peer, `.host` here means the peer's namespace.
struct PTPPlanner {
  var settings: PTPSettings
  var hostState: PTPHostState
  var owner: AttachmentID
  var sandbox: String
  /// The result of the IPAM plugin.
  var addresses: AddResult

  func plan() throws(CNIError) -> AttachmentPlan {
    if let peer = settings.peer, hostState.peerNameIsTaken {
      throw CNIError(
        .invalidNetworkConfig, "key \"peerIfName\": \"\(peerEnd)\" is taken in \(peer): want a free name")
    }
    let mtu = settings.mtu ?? hostState.uplinkMTU ?? 1500
    try addresses.check(mtu: mtu)
    let addressing = try addressing()
    return AttachmentPlan(
      shared: forwarding(addressing), own: try ownChanges(addressing, mtu: mtu), result: result(addressing, mtu: mtu))
  }

  /// The other end's name.
  private var peerEnd: InterfaceName { settings.peerEndName(owner) }

  private func addressing() throws(CNIError) -> Addressing {
    let defaultMAC = settings.derivesMAC ? try addresses.derivedMAC() : hostState.containerMAC
    var addressing = Addressing(of: owner.interface, mac: settings.mac ?? defaultMAC, addresses)
    addressing.detectsDuplicates = settings.detectsDuplicates
    addressing.routerAdvertisements = settings.routerAdvertisements
    addressing.isPointToPoint = true
    addressing.fillInGateways()
    if let metric = settings.defaultMetric { addressing.setDefaultMetric(metric) }
    guard !addressing.ips.isEmpty else {
      throw CNIError(.invalidNetworkConfig, "key \"ipam\": the plugin gave no address: want at least one")
    }
    for ip in addressing.ips { try check(ip) }
    return addressing
  }

  private func check(_ ip: AddResult.IP) throws(CNIError) {
    guard let gateway = ip.gateway else {
      throw CNIError(
        .invalidNetworkConfig,
        "address \(ip.address): no gateway is given and none can be derived: want the other end's address")
    }
    guard gateway.family == ip.address.family, gateway != ip.address.address else {
      throw CNIError(
        .invalidNetworkConfig, "address \(ip.address): gateway \(gateway): want another address of the same family")
    }
  }

  private func forwarding(_ addressing: Addressing) -> [Change] {
    guard settings.forwards else { return [] }
    return Change.forwarding(addressing.families, keepingAdvertisedRoutesOf: hostState.advertisedLinks)
  }

  private func ownChanges(_ addressing: Addressing, mtu: Int) throws(CNIError) -> [Change] {
    let pair = LinkSpec(
      peerEnd, kind: .veth(peer: .init(name: owner.interface, mac: addressing.mac)), mac: hostState.peerMAC,
      mtu: mtu,
      group: Isolation.pairGroup)
    // Both ends get our alias: in a peer, DEL may be able to reach only one of them.
    let up = LinkChange(isUp: true, alias: owner.tag)
    var peerEndUp = up
    peerEndUp.group = Isolation.pairGroup
    var changes: [Change] = [
      .createLink(pair),
      .setSysctls(peerEndSysctls(addressing), on: .host),
      .changeLink(peerEnd, on: .host, peerEndUp),
    ]
    // The rules are in place before the container can send.
    if let ruleSet = ruleSet(addressing) { changes.append(.addRules(ruleSet)) }
    if let lo = InterfaceName("lo") { changes.append(.changeLink(lo, on: .container, LinkChange(isUp: true))) }
    changes += [
      .setSysctls(addressing.sysctls, on: .container),
      .changeLink(owner.interface, on: .container, up),
      // Until the kernel sees the carrier of the other end, it drops packets to it.
      .awaitRunning(peerEnd),
    ]
    return changes + peerEndChanges(addressing) + (try addressing.changes(announcing: false))
  }

  /// The sysctls of the other end: no router advertisements, no DAD, and IPv6 only if it has addresses.
  private func peerEndSysctls(_ addressing: Addressing) -> [Sysctl] {
    let hasIPv6 = addressing.families.contains(.v6)
    return [
      .ignoringRouters(peerEnd),
      .conf(.v6, peerEnd, "accept_dad", "0", isOptional: true),
      .conf(.v6, peerEnd, "disable_ipv6", hasIPv6 ? "0" : "1", isOptional: !hasIPv6),
    ]
  }

  /// Adds the gateways' addresses, and a route to each of the container's addresses.
  private func peerEndChanges(_ addressing: Addressing) -> [Change] {
    var gateways: [IPAddress] = []
    for ip in addressing.ips {
      if let gateway = ip.gateway, !gateways.contains(gateway) { gateways.append(gateway) }
    }
    return gateways.map {
      .addAddress(AddressSpec(IPPrefix(host: $0), on: peerEnd, .host, addsSubnetRoute: false))
    }
      + addressing.ips.map { .addRoute(RouteSpec(IPPrefix(host: $0.address.address), on: peerEnd, .host)) }
  }

  private func ruleSet(_ addressing: Addressing) -> RuleSet? {
    guard let masquerading = settings.masquerading else { return nil }
    let addresses = addressing.ips.map { $0.address }
    var ruleSet = RuleSet(owner, .network, masquerading.rules(for: addresses), backend: settings.backend)
    ruleSet.containerName = settings.containerName
    ruleSet.addresses = addresses.map { $0.address }
    return ruleSet
  }

  private func result(_ addressing: Addressing, mtu: Int) -> AddResult {
    AddResult(
      interfaces: [
        .init(name: peerEnd.description, mac: hostState.peerMAC.description, mtu: mtu, sandbox: settings.peer),
        .init(name: owner.interface.description, mac: addressing.mac.description, mtu: mtu, sandbox: sandbox),
      ],
      ips: addressing.ips.map { AddResult.IP(interface: 1, address: $0.address, gateway: $0.gateway) },
      routes: addressing.routes, dns: settings.dns ?? addresses.dns)
  }
}
