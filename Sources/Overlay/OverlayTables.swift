import CNI
import Kernel
import NetTypes

extension OverlaySettings {
  /// What the device is to know of the other hosts.
  ///
  /// - Parameters:
  ///   - names: of the devices.
  ///   - facts: the host.
  ///   - gateways: the host's own addresses in the network, from which it sends itself.
  /// - Returns: `nil` where somebody else tells the device.
  func tables(_ names: OverlayNames, _ facts: OverlayFacts, gateways: [IPAddress]) -> TunnelTables? {
    guard ownsTables else { return nil }
    switch mode {
    case .l2: return bridgedTables(names)
    case .l3:
      var sources: [IPFamily: IPAddress] = [:]
      for gateway in facts.gatewayAddresses.map(\.address) + gateways where sources[gateway.family] == nil {
        sources[gateway.family] = gateway
      }
      return routedTables(names, facts, sources)
    }
  }

  /// All frames of which nobody knows better go to each host.
  private func bridgedTables(_ names: OverlayNames) -> TunnelTables {
    var tables = TunnelTables(of: names.vxlan, neighboursOn: names.bridge)
    for peer in knowledge.peers {
      tables.forwarding.insert(FDBSpec(MACAddress(value: 0), on: names.vxlan, in: .tunnel(to: peer.vtep)))
      for endpoint in peer.endpoints {
        tables.forwarding.insert(FDBSpec(endpoint.mac, on: names.vxlan, in: .tunnel(to: peer.vtep)))
        tables.forwarding.insert(FDBSpec(endpoint.mac, on: names.vxlan, in: .master))
        tables.neighbours.insert(NeighbourSpec(endpoint.address, mac: endpoint.mac, on: names.bridge, .host))
      }
    }
    return tables
  }

  /// For each subnet of another host a route by its lowest address, which stands for the host there.
  private func routedTables(
    _ names: OverlayNames, _ facts: OverlayFacts, _ sources: [IPFamily: IPAddress]
  ) -> TunnelTables {
    var tables = TunnelTables(of: names.vxlan)
    if routesDirectly { tables.directMetric = directMetric }
    for peer in knowledge.peers {
      let mac = peer.tunnelMAC(tunnel.vni)
      for subnet in peer.subnets {
        guard let source = sources[subnet.family] else { continue }
        if let link = facts.directLinks[peer.vtep], subnet.family == peer.vtep.family {
          var route = RouteSpec(subnet, via: peer.vtep, on: link, .host)
          route.priority = directMetric
          route.source = source
          tables.directRoutes.insert(route)
          continue
        }
        var route = RouteSpec(subnet, via: subnet.first, on: names.vxlan, .host)
        route.isOnLink = true
        route.source = source
        tables.routes.insert(route)
        tables.neighbours.insert(NeighbourSpec(subnet.first, mac: mac, on: names.vxlan, .host))
        tables.forwarding.insert(FDBSpec(mac, on: names.vxlan, in: .tunnel(to: peer.vtep)))
      }
    }
    return tables
  }
}
