public import CNI
public import Kernel
public import NetTypes

/// The gateways of a network as addresses of the host.
public struct HostGateway: Equatable, Sendable {
  /// The link that has these addresses.
  public var link: InterfaceName
  /// The present addresses of the link.
  public var addresses: [IPPrefix]
  /// The bridge behind the link; `nil` if it is created with the addresses.
  public var bridge: InterfaceName?
  /// Whether addresses of an existing bridge may be removed: this plugin or the reference plugin created it.
  public var isOurs: Bool
  /// Whether conflicting addresses are removed (`forceAddress`).
  public var replaces = false
  /// Whether IPv6 addresses are added without duplicate address detection.
  public var skipsDAD = true
  /// Whether IP forwarding is switched on.
  public var forwards = true
  /// The network's subnets: gateways of its other subnets stay on the link.
  public var ranges = NetworkRanges()
  /// Links that lose routes of router advertisements if the host forwards IPv6.
  public var advertisedLinks: [InterfaceName] = []

  public init(on link: InterfaceName, _ addresses: [IPPrefix], of bridge: InterfaceName?, isOurs: Bool) {
    self.link = link
    self.addresses = addresses
    self.bridge = bridge
    self.isOurs = isOurs
  }

  /// Each gateway with the prefix length of its subnet; as a host address if it is outside its subnet.
  public static func gatewayPrefixes(_ addressing: Addressing) -> [IPPrefix] {
    var wanted: [IPPrefix] = []
    for ip in addressing.ips {
      guard let gateway = ip.gateway, gateway.family == ip.address.family else { continue }
      let length = ip.hasGatewayOutside ? gateway.family.bitWidth : ip.address.length
      if let prefix = IPPrefix(gateway, length: length), !wanted.contains(prefix) { wanted.append(prefix) }
    }
    return wanted
  }

  /// The changes that add the gateways to the link, and the routes and sysctls for them.
  ///
  /// - Throws: code 7 if the bridge keeps an address that conflicts with a wanted one.
  public func changes(_ addressing: Addressing) throws(CNIError) -> [Change] {
    let wanted = Self.gatewayPrefixes(addressing)
    let families = Set(wanted.map { $0.family })
    let conflicting = addresses.filter { conflicts($0, with: wanted) }
    try checkReplacing(conflicting, with: wanted)
    let replaced = (conflicting + widened(wanted)).map { Change.deleteAddress(AddressSpec($0, on: link, .host)) }
    let enabled: [Change] =
      families.contains(.v6) ? [.setSysctls([.conf(.v6, link, "disable_ipv6", "0")], on: .host)] : []
    let added = wanted.filter { !isHeld($0) }
      .map { Change.addAddress(AddressSpec($0, on: link, .host, skipsDAD: skipsDAD)) }
    return replaced + enabled + added + subnetRoutes(addressing)
      + (forwards ? Change.forwarding(families, keepingAdvertisedRoutesOf: advertisedLinks) : [])
  }

  /// A route to each subnet whose gateway is outside it, since no address of the link covers that subnet.
  private func subnetRoutes(_ addressing: Addressing) -> [Change] {
    var routes: [RouteSpec] = []
    for ip in addressing.ips where ip.hasGatewayOutside {
      let route = RouteSpec(ip.address.network, on: link, .host)
      if !routes.contains(route) { routes.append(route) }
    }
    return routes.map { .addRoute($0) }
  }

  /// The container's on-link route to each gateway outside its subnet; link-local gateways need none.
  public static func containerRoutes(_ addressing: Addressing) -> [Change] {
    var routes: [RouteSpec] = []
    for ip in addressing.ips where ip.hasGatewayOutside {
      guard let gateway = ip.gateway, gateway.family == .v4 || !gateway.isLinkLocal else { continue }
      let route = RouteSpec(IPPrefix(host: gateway), on: addressing.interface, .container)
      let isThere = addressing.routes.contains { $0.dst == route.dst }
      if !isThere, !routes.contains(route) { routes.append(route) }
    }
    return routes.map { .addRoute($0) }
  }

  /// Whether a present address of the link conflicts with a wanted one.
  private func conflicts(_ present: IPPrefix, with wanted: [IPPrefix]) -> Bool {
    // An IPv6 host address is no gateway: it may be the virtual address of a service.
    if present.family == .v6, present.hostBits == 0 { return false }
    guard !wanted.contains(present), wanted.contains(where: { $0.conflicts(with: present) }) else { return false }
    // The address may be the gateway of another subnet of the network, but each subnet has only one gateway.
    return !ranges.hasGateway(present) || wanted.contains { $0.network == present.network }
  }

  /// Whether a gateway that is wanted as a host address is on the link already with a subnet.
  private func isHeld(_ wanted: IPPrefix) -> Bool {
    wanted.hostBits == 0 && addresses.contains { $0.address == wanted.address && $0 != wanted }
  }

  /// The IPv6 host addresses of the link that are now wanted with their subnet.
  ///
  /// They are removed first, because a link can have an IPv6 address only once.
  private func widened(_ wanted: [IPPrefix]) -> [IPPrefix] {
    addresses.filter { present in
      present.family == .v6 && present.hostBits == 0
        && wanted.contains { $0.hostBits > 0 && $0.address == present.address }
    }
  }

  /// Refuses to replace addresses of a bridge that is not ours; for one of ours, `forceAddress` must be set.
  private func checkReplacing(_ conflicting: [IPPrefix], with wanted: [IPPrefix]) throws(CNIError) {
    guard let first = conflicting.first, let bridge, !isOurs || !replaces else { return }
    let way =
      isOurs
      ? "\"forceAddress\": true replaces it" : "this plugin did not create the bridge and does not change its addresses"
    let gateways = wanted.map { $0.description }.joined(separator: ", ")
    throw CNIError(
      .invalidNetworkConfig, "bridge \(bridge) already has the address \(first): want \(gateways)", details: way)
  }
}

extension AddResult.IP {
  /// Whether the gateway is not in the subnet, for example a link-local address.
  fileprivate var hasGatewayOutside: Bool {
    guard let gateway, gateway.family == address.family else { return false }
    return !address.contains(gateway)
  }
}

extension IPPrefix {
  /// Whether a bridge cannot have both: two IPv4 addresses never, two IPv6 ones only in different networks.
  ///
  /// Link-local addresses never conflict, nor does a host address with the same address in its subnet.
  fileprivate func conflicts(with other: IPPrefix) -> Bool {
    guard family == other.family else { return false }
    if family == .v4 { return true }
    if address == other.address, hostBits == 0 || other.hostBits == 0 { return false }
    return !address.isLinkLocal && !other.address.isLinkLocal && overlaps(other)
  }
}
