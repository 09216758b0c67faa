public import CNI
public import Kernel
public import NetTypes

/// Addresses and routes of the container's interface, the same for every kind of link.
public struct Addressing: Equatable, Sendable {
  public var interface: InterfaceName
  public var mac: MACAddress
  public var ips: [AddResult.IP]
  public var routes: [Route]
  /// Whether IPv6 addresses wait for duplicate address detection (DAD), which takes 1 to 2 seconds.
  public var detectsDuplicates = false
  /// Whether the gateway is the only neighbour, as on a `ptp` veth: all other destinations are behind it.
  public var isPointToPoint = false

  /// Whether router advertisements on the link are accepted.
  public var routerAdvertisements = RouterAdvertisements.ignoredWithAddresses

  /// - Parameters:
  ///   - interface: the interface's name in the container.
  ///   - mac: its MAC address.
  ///   - addresses: the result of the IPAM plugin.
  public init(of interface: InterfaceName, mac: MACAddress, _ addresses: AddResult) {
    self.interface = interface
    self.mac = mac
    ips = addresses.ips.map { ip in
      var ip = ip
      if ip.gateway?.isUnspecified == true { ip.gateway = nil }
      return ip
    }
    routes = addresses.routes
  }

  /// The lowest and highest MTU of an Ethernet link.
  public static let mtuRange = KeyRange.mtu
  /// The lowest MTU for IPv6: RFC 8200, section 5.
  public static let lowestMTUForIPv6 = 1280

  /// The metric of default routes for a network's `gwPriority`; `nil` for the kernel's default.
  ///
  /// It is never 0, which would precede every other route.
  ///
  /// - Throws: code 7 outside the range.
  public static func metric(gwPriority: Int?) throws(CNIError) -> Int? {
    try checked("gwPriority", gwPriority, KeyRange.gwPriority).map { 100 - $0 }
  }

  public var families: Set<IPFamily> { Set(ips.map { $0.address.family }) }

  /// The gateway of the first address of that family that has one.
  public func gateway(_ family: IPFamily) -> IPAddress? {
    ips.first { $0.address.family == family && $0.gateway != nil }?.gateway
  }

  /// Adds a default route for each family that has a gateway and no default route yet.
  public mutating func addDefaultRoutes() {
    for family in IPFamily.allCases {
      let everything = IPPrefix.everything(family)
      guard let gateway = gateway(family), !routes.contains(where: { $0.dst == everything }) else { continue }
      routes.append(Route(dst: everything, gw: gateway))
    }
  }

  /// Gives a gateway to each address that has none: the first other address of its network.
  public mutating func fillInGateways() {
    for index in ips.indices where ips[index].gateway == nil && ips[index].address.hostBits > 0 {
      let address = ips[index].address
      let lowest = address.hostBits == 1 ? address.first : address.first.advanced(by: 1)
      ips[index].gateway = lowest == address.address ? lowest?.advanced(by: 1) : lowest
    }
  }

  /// Gives a metric to each default route that has none.
  public mutating func setDefaultMetric(_ metric: Int) {
    for index in routes.indices where routes[index].dst.length == 0 && routes[index].priority == nil {
      routes[index].priority = metric
    }
  }

  /// The sysctls to set before the link comes up.
  public var sysctls: [Sysctl] {
    let acceptRA = routerAdvertisements.setting(hasAddresses: !ips.isEmpty)
      .map { Sysctl.conf(.v6, interface, "accept_ra", $0, isOptional: true) }
    guard !ips.isEmpty else { return acceptRA.map { [$0] } ?? [] }
    let dad = detectsDuplicates ? "1" : "0"
    var settings: [Sysctl] =
      (acceptRA.map { [$0] } ?? []) + [
        .conf(.v4, interface, "arp_notify", "1", isOptional: true),
        .conf(.v6, interface, "accept_dad", dad, isOptional: true),
      ]
    if detectsDuplicates { settings.append(.conf(.v6, interface, "enhanced_dad", "1", isOptional: true)) }
    guard families.contains(.v6) else { return settings }
    return settings + [
      Sysctl("net/ipv6/conf/lo/disable_ipv6", "0"),
      .conf(.v6, interface, "disable_ipv6", "0"),
      .conf(.v6, interface, "ndisc_notify", "1", isOptional: true),
      .conf(.v6, interface, "keep_addr_on_down", "1", isOptional: true),
    ]
  }

  /// The changes that add addresses, then routes; the link must be up.
  ///
  /// - Throws: code 7 for a route that is not valid.
  public func changes(announcing: Bool = true) throws(CNIError) -> [Change] {
    var changes = addressChanges(skippingDAD: !detectsDuplicates)
    if detectsDuplicates, families.contains(.v6) { changes.append(.awaitDAD(interface)) }
    changes += try routeChanges()
    if announcing, !ips.isEmpty { changes.append(.announce(ips.map { $0.address.address }, mac: mac, on: interface)) }
    return changes
  }

  /// The changes that add addresses, then set the link up, then add routes.
  ///
  /// When the link comes up, the kernel announces its addresses: IPv6 ones when their DAD ends, or at once without
  /// DAD.
  ///
  /// - Throws: code 7 for a route that is not valid.
  public func changes(comingUpBy up: Change) throws(CNIError) -> [Change] {
    let settled: [Change] = families.contains(.v6) ? [.awaitDAD(interface)] : []
    return addressChanges(skippingDAD: false) + [up] + settled + (try routeChanges())
  }

  private func addressChanges(skippingDAD: Bool) -> [Change] {
    ips.map {
      .addAddress(
        AddressSpec(
          $0.address, on: interface, .container, skipsDAD: skippingDAD, addsSubnetRoute: !isPointToPoint))
    }
  }
}

extension Addressing {
  /// A route to each gateway on the link itself, and through the gateway to the rest of its address's subnet.
  var pointToPointRoutes: [RouteSpec] {
    guard isPointToPoint else { return [] }
    var direct: [RouteSpec] = [], through: [RouteSpec] = []
    for ip in ips {
      guard let gateway = ip.gateway else { continue }
      var route = RouteSpec(IPPrefix(host: gateway), on: interface, .container)
      route.source = ip.address.address
      if !direct.contains(where: { $0.dst == route.dst }) { direct.append(route) }
      guard ip.address.hostBits > 0 else { continue }
      route.dst = ip.address.network
      route.gateway = gateway
      if !through.contains(where: { $0.dst == route.dst }) { through.append(route) }
    }
    return direct + through
  }
}

extension Addressing {
  /// The changes that add the routes; on-link routes first, because gateways may be reached through them.
  func routeChanges() throws(CNIError) -> [Change] {
    var specs = pointToPointRoutes
    for route in routes {
      let spec = try spec(route)
      if !specs.contains(spec) { specs.append(spec) }
    }
    return (specs.filter { $0.gateway == nil } + specs.filter { $0.gateway != nil }).map { .addRoute($0) }
  }

  private func spec(_ route: Route) throws(CNIError) -> RouteSpec {
    let gateway = gateway(of: route)
    if let gateway { try check(gateway, of: route) }
    var spec = RouteSpec(route.dst.network, via: gateway, on: interface, .container)
    spec.mtu = try route.number("mtu", route.mtu, 0...Int(UInt32.max))
    spec.advmss = try route.number("advmss", route.advmss, 0...Int(UInt32.max))
    spec.priority = try route.number("priority", route.priority, 0...Int(UInt32.max))
    spec.table = try route.number("table", route.table, 0...Int(UInt32.max))
    spec.scope = try route.number("scope", route.scope, 0...255)
    if let gateway { spec.isOnLink = !reaches(gateway) }
    return spec
  }

  /// The gateway; `nil` for an on-link route, which can also be written with the gateway `0.0.0.0` or `::`.
  private func gateway(of route: Route) -> IPAddress? {
    if let given = route.gw, given.family == route.dst.family { return given.isUnspecified ? nil : given }
    return route.gw ?? (route.scope == nil || route.scope == 0 ? gateway(route.dst.family) : nil)
  }

  private func check(_ gateway: IPAddress, of route: Route) throws(CNIError) {
    func refusal(_ wanted: String) -> CNIError {
      CNIError(.invalidNetworkConfig, "route \(route.dst): gw \(gateway): want \(wanted)")
    }
    try route.checkGateway(gateway)
    guard !ips.contains(where: { $0.address.address == gateway }) else {
      throw refusal("an address that is not the container's")
    }
    guard !ips.contains(where: { $0.address.broadcast == gateway }) else {
      throw refusal("the unicast address of a router")
    }
    // Scope 253 (link) and 254 (host) mean destinations that are not behind a router. IPv6 has no scopes.
    if let scope = route.scope, scope >= 253, gateway.family == .v4 {
      throw refusal("no gateway with scope \(scope), or another scope")
    }
  }

  /// Whether a subnet or an on-link route contains the gateway; otherwise its route needs the flag `onlink`.
  private func reaches(_ gateway: IPAddress) -> Bool {
    gateway.family == .v6 && gateway.isLinkLocal
      || ips.contains { $0.address.contains(gateway) && $0.address.hostBits > 0 }
      || isPointToPoint && ips.contains { $0.gateway == gateway }
      || routes.contains { $0.dst.length > 0 && $0.dst.contains(gateway) && self.gateway(of: $0) == nil }
  }
}

extension Route {
  fileprivate func number(_ key: String, _ value: Int?, _ range: ClosedRange<Int>) throws(CNIError) -> Int? {
    guard let value, !range.contains(value) else { return value }
    throw CNIError(
      .invalidNetworkConfig, "route \(dst): \(key) \(value): want \(range.lowerBound) to \(range.upperBound)")
  }
}
