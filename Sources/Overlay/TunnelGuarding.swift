public import CNI
import Kernel
import NetTypes
import PacketFilter

extension OverlayDevices {
  /// Rules that drop VXLAN packets of containers and, if the peers are known, of other hosts; set before the device is up.
  ///
  /// If another program's VXLAN device has the same port, that network's hosts are not known here.
  var guarding: [Change] {
    guard facts.guardsTunnel else { return [] }
    let peersAreKnown = settings.ownsTables && !facts.sharesPort
    let peers = peersAreKnown ? Set(settings.knowledge.peers.map(\.vtep)).sorted() : nil
    let rule = Rule.guardTunnel(TunnelGuard(port: settings.tunnel.port, peers: peers))
    return [.setRules(Claim(.tunnel(of: network), .tunnels, [rule], backend: .nftables))]
  }
}

extension Owner {
  /// The owner of the rules about a network's tunnel, in place of a container.
  public static func tunnel(of network: NetworkName) -> Owner {
    guard let container = ContainerID("host"), let interface = InterfaceName("vxlan") else {
      preconditionFailure("letters are an identifier and an interface name")
    }
    return Owner(network: network, container: container, interface: interface)
  }
}
