import CNI
import Kernel
import NetTypes

extension OverlaySettings {
  /// The entries that the VXLAN device must have for the other hosts.
  ///
  /// - Parameters:
  ///   - names: the names of the devices.
  ///   - hostState: the host.
  ///   - gateways: the host's addresses in the network; sources of its packets if the bridge has no address yet.
  /// - Returns: `nil` with multicast or EVPN: then the kernel or a routing daemon fills the tables.
  func tables(_ names: OverlayNames, _ hostState: OverlayHostState, gateways: [IPAddress]) -> TunnelTables? {
    guard ownsTables else { return nil }
    switch mode {
    case .l2: return bridgedTables(names)
    case .l3:
      var sources: [IPFamily: IPAddress] = [:]
      // Not a service's virtual address: other hosts have it too.
      let own = hostState.gatewayAddresses.filter { $0.hostBits > 0 }.map { $0.address }
      for gateway in own + gateways where sources[gateway.family] == nil {
        sources[gateway.family] = gateway
      }
      return routedTables(names, hostState, sources)
    }
  }

  /// FDB entries and neighbours of each host's containers; frames to unknown addresses are flooded to every host.
  ///
  /// Flooding equals `bridge fdb append 00:00:00:00:00:00 dev DEVICE dst PEER` for each peer.
  private func bridgedTables(_ names: OverlayNames) -> TunnelTables {
    var tables = TunnelTables(of: names.vxlan, neighboursOn: names.bridge)
    for peer in controlState.peers {
      tables.fdbEntries.insert(FDBSpec(MACAddress(value: 0), on: names.vxlan, in: .tunnel(to: peer.vtep)))
      for endpoint in peer.endpoints {
        tables.fdbEntries.insert(FDBSpec(endpoint.mac, on: names.vxlan, in: .tunnel(to: peer.vtep)))
        tables.fdbEntries.insert(FDBSpec(endpoint.mac, on: names.vxlan, in: .master))
        tables.neighbours.insert(NeighbourSpec(endpoint.address, mac: endpoint.mac, on: names.bridge, .host))
      }
    }
    return tables
  }

  /// A route to each subnet of another host, via the subnet's lowest address, which that host has on its VXLAN device.
  ///
  /// As `ip route add SUBNET via LOWEST dev DEVICE onlink`, `ip neighbour replace LOWEST lladdr MAC dev DEVICE nud permanent` and
  /// `bridge fdb replace MAC dev DEVICE self dst PEER`. With `directRouting`, if no router is between the
  /// hosts, the route leads to the other host's underlay address, without the tunnel.
  private func routedTables(
    _ names: OverlayNames, _ hostState: OverlayHostState, _ sources: [IPFamily: IPAddress]
  ) -> TunnelTables {
    var tables = TunnelTables(of: names.vxlan)
    if routesDirectly { tables.directMetric = directMetric }
    for peer in controlState.peers {
      let mac = peer.tunnelMAC(tunnel.vni)
      for subnet in peer.subnets {
        guard let source = sources[subnet.family] else { continue }
        if let link = hostState.directLinks[peer.vtep], subnet.family == peer.vtep.family {
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
        tables.fdbEntries.insert(FDBSpec(mac, on: names.vxlan, in: .tunnel(to: peer.vtep)))
      }
    }
    return tables
  }
}
