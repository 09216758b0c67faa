import CNI
import Kernel
import NetTypes

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
