import Kernel
import NetTypes
import PacketFilter

extension OverlayDevices {
  /// Rules that drop VXLAN packets of containers and, if the peers are known, of unknown hosts; set before the device is up.
  ///
  /// If another program's VXLAN device uses the same port, the hosts of its network are unknown, so only containers are blocked.
  var tunnelGuardChanges: [Change] { settings.written == nil ? tunnelGuard.map { [.setRules($0)] } ?? [] : [] }

  /// `nil` on a host without nf_tables.
  var tunnelGuard: RuleSet? {
    guard hostState.guardsTunnel else { return nil }
    let peersAreKnown = settings.ownsTables && !hostState.sharesPort
    let peers = peersAreKnown ? Set(settings.controlState.peers.map { $0.vtep }).sorted() : nil
    let rule = Rule.guardTunnel(TunnelGuard(port: settings.tunnel.port, peers: peers))
    return RuleSet(.tunnel(of: network), .tunnels, [rule], backend: .nftables)
  }
}
