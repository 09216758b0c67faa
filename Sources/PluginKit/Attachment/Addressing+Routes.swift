import CNI
import Kernel
import NetTypes

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
      throw refusal("another address than the container's own")
    }
    guard !ips.contains(where: { $0.address.broadcast == gateway }) else { throw refusal("the address of one router") }
    // Scope 253 (link) and 254 (host) mean destinations that are not behind a router. IPv6 has no scopes.
    if let scope = route.scope, scope >= 253, gateway.family == .v4 {
      throw refusal("none with scope \(scope), or another scope")
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
