public import CNI
public import Kernel

extension Kernel where Self: ~Copyable {
  /// What removes all that the network has on this host for all its attachments, whatever it is called by now.
  ///
  /// A bridge with ports that are somebody else's stays.
  public mutating func overlayDevices(of network: NetworkName) throws(KernelError) -> [Change] {
    let tag = Owner.tagPrefix(network)
    let tunnels = try links(kind: "vxlan", master: nil, on: .host).filter { $0.alias == tag }
    let bridges = try links(kind: "bridge", master: nil, on: .host).filter { $0.alias == tag }
    var around: [RouteSpec] = []
    for tunnel in tunnels {
      guard let vni = tunnel.vxlan?.vni else { continue }
      around += try hostRoutes(metric: OverlaySettings.directMetric(vni: vni))
    }
    return around.map { .deleteRoute($0) } + tunnels.map { .deleteLink($0.name, on: .host) }
      + bridges.map { .deleteUnusedBridge($0.name) }
  }
}
