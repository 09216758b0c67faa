public import CNI
public import Kernel
public import NetTypes
import PacketFilter

extension Kernel where Self: ~Copyable {
  /// Changes that remove the network's devices on this host, renamed ones too.
  ///
  /// A bridge that still has ports stays.
  public mutating func overlayDevices(
    of network: NetworkName, _ config: OverlayConfig
  ) throws(KernelError) -> [Change] {
    let tag = AttachmentID.tagPrefix(network), names = config.names(of: network)
    let tunnels = try links(kind: "vxlan", master: nil, on: .host).filter {
      $0.alias == tag || $0.hasNoAlias && $0.name == names.vxlan && config.isMACOfTunnel($0)
    }
    let bridges = try links(kind: "bridge", master: nil, on: .host).filter {
      $0.alias == tag || $0.hasNoAlias && $0.name == names.bridge && config.isMACOfBridge($0, tunnels.first)
    }
    var directRoutes: [RouteSpec] = []
    for tunnel in tunnels {
      guard let vni = tunnel.vxlan?.vni else { continue }
      directRoutes += try hostRoutes(metric: OverlaySettings.directMetric(vni: vni))
    }
    var shared: [Change] = []
    for bridge in bridges { shared += try unusedVRF(without: bridge) }
    return directRoutes.map { .deleteRoute($0) } + tunnels.map { .deleteLink($0.name, on: .host) }
      + bridges.map { .deleteUnusedBridge($0.name) } + shared
      // Last: the VXLAN device receives packets until it is deleted.
      + [PluginRole.tunnels, .policies].map {
        .removeRules(.tunnel(of: network), $0, everywhere: filter.obstacle(.nftables) == nil)
      }
  }

  /// Changes that remove the shared devices of a bridge's VRF, and the VRF, if no other network is in it.
  private mutating func unusedVRF(without bridge: LinkInfo) throws(KernelError) -> [Change] {
    guard let index = bridge.master, let vrf = try link(index: index, on: .host), vrf.kind == "vrf" else { return [] }
    let all = try allLinks(on: .host), ours = all.filter { $0.alias == OverlayVRF.tag }
    let sharedBridges = ours.filter { $0.master == vrf.index }
    guard all.filter({ $0.master == vrf.index }).allSatisfy({ $0.index == bridge.index || sharedBridges.contains($0) })
    else {
      return []
    }
    let tunnels = ours.filter { port in sharedBridges.contains { $0.index == port.master } }
    return tunnels.map { .deleteLink($0.name, on: .host) } + sharedBridges.map { .deleteUnusedBridge($0.name) }
      + (vrf.alias == OverlayVRF.tag ? [.deleteUnusedBridge(vrf.name)] : [])
  }
}

extension LinkInfo {
  /// Whether the link has no alias: an ADD that was killed had only just made it.
  fileprivate var hasNoAlias: Bool { alias == nil }
}

extension OverlayConfig {
  fileprivate func isMACOfTunnel(_ link: LinkInfo) -> Bool {
    guard let tunnel = link.vxlan, let local = tunnel.local else { return false }
    return link.mac == (vtepMAC ?? MACAddress(forTunnelOf: tunnel.vni, from: local))
  }

  fileprivate func isMACOfBridge(_ link: LinkInfo, _ tunnel: LinkInfo?) -> Bool {
    let wanted = gatewayMAC ?? (vni ?? tunnel?.vxlan?.vni).map { MACAddress(forGatewayOf: $0) }
    return wanted.map { $0 == link.mac } ?? (bridge == nil)
  }
}
