public import CNI
public import Kernel
public import NetTypes

/// The gateways of a network as addresses of the host.
public struct HostGateway: Equatable, Sendable {
  /// The link that has them.
  public var link: InterfaceName
  /// What it has now.
  public var addresses: [IPPrefix]
  /// The bridge behind it; `nil` where it is made with them.
  public var bridge: InterfaceName?
  /// Whether a bridge that is there may lose addresses: this plugin or the reference made it.
  public var isOurs: Bool
  /// Whether addresses that contradict those wanted go.
  public var replaces = false
  /// Whether IPv6 addresses count at once, without a look for others that have them.
  public var skipsDAD = true
  /// Whether the host forwards packets.
  public var forwards = true
  /// The network's subnets: the gateways of its other ones stay.
  public var ranges = NetworkRanges()
  /// Links that lose routes of router advertisements if the host forwards IPv6.
  public var advertisedLinks: [InterfaceName] = []

  public init(on link: InterfaceName, _ addresses: [IPPrefix], of bridge: InterfaceName?, isOurs: Bool) {
    self.link = link
    self.addresses = addresses
    self.bridge = bridge
    self.isOurs = isOurs
  }

  /// Each gateway with the length of its subnet; one outside its subnet alone, since its neighbours are elsewhere.
  public static func wanted(_ addressing: Addressing) -> [IPPrefix] {
    var wanted: [IPPrefix] = []
    for ip in addressing.ips {
      guard let gateway = ip.gateway, gateway.family == ip.address.family else { continue }
      let length = ip.hasGatewayOutside ? gateway.family.bitWidth : ip.address.length
      if let prefix = IPPrefix(gateway, length: length), !wanted.contains(prefix) { wanted.append(prefix) }
    }
    return wanted
  }

  /// - Throws: code 7 where a bridge keeps an address that contradicts one of those wanted.
  public func changes(_ addressing: Addressing) throws(CNIError) -> [Change] {
    let wanted = Self.wanted(addressing)
    let families = Set(wanted.map(\.family))
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

  /// To each subnet whose gateway is outside it: no address of the link leads there.
  private func subnetRoutes(_ addressing: Addressing) -> [Change] {
    var routes: [RouteSpec] = []
    for ip in addressing.ips where ip.hasGatewayOutside {
      let route = RouteSpec(ip.address.network, on: link, .host)
      if !routes.contains(route) { routes.append(route) }
    }
    return routes.map { .addRoute($0) }
  }

  /// In the container, to each gateway outside its subnet; the link-local network is on every link.
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

  /// Whether the link may not have that address beside those wanted.
  private func conflicts(_ there: IPPrefix, with wanted: [IPPrefix]) -> Bool {
    guard !wanted.contains(there), wanted.contains(where: { $0.conflicts(with: there) }) else { return false }
    // Another subnet of the same network may have its gateway here too. A subnet has one gateway only.
    return !ranges.hasGateway(there) || wanted.contains { $0.network == there.network }
  }

  /// A gateway that stands alone on the link is not added, if a subnet of the link has it already.
  private func isHeld(_ wanted: IPPrefix) -> Bool {
    wanted.hostBits == 0 && addresses.contains { $0.address == wanted.address && $0 != wanted }
  }

  /// IPv6 addresses that stand alone and get their subnet now: a link has an IPv6 address only once.
  private func widened(_ wanted: [IPPrefix]) -> [IPPrefix] {
    addresses.filter { there in
      there.family == .v6 && there.hostBits == 0
        && wanted.contains { $0.hostBits > 0 && $0.address == there.address }
    }
  }

  /// A bridge with the host's uplink, or of another program, keeps its addresses, also with `forceAddress`.
  private func checkReplacing(_ conflicting: [IPPrefix], with wanted: [IPPrefix]) throws(CNIError) {
    guard let first = conflicting.first, let bridge, !isOurs || !replaces else { return }
    let way = isOurs ? "\"forceAddress\": true replaces it" : "it was not made by this plugin and keeps it"
    let gateways = wanted.map(\.description).joined(separator: ", ")
    throw CNIError(
      .invalidNetworkConfig, "bridge \(bridge) already has the address \(first): want \(gateways)", details: way)
  }
}

extension AddResult.IP {
  /// Whether the gateway is no address of the subnet: a link-local one, or one of elsewhere.
  fileprivate var hasGatewayOutside: Bool {
    guard let gateway, gateway.family == address.family else { return false }
    return !address.contains(gateway)
  }
}

extension IPPrefix {
  /// Whether a bridge may not have both: two IPv4 addresses never, two of IPv6 only in one network.
  ///
  /// Link-local addresses are in no one's way, and nor is a subnet in that of its own gateway alone.
  fileprivate func conflicts(with other: IPPrefix) -> Bool {
    guard family == other.family else { return false }
    if family == .v4 { return true }
    if address == other.address, hostBits == 0 || other.hostBits == 0 { return false }
    return !address.isLinkLocal && !other.address.isLinkLocal && overlaps(other)
  }
}
