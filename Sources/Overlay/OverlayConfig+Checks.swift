import CNI
import Kernel
import NetTypes
import PluginKit

extension OverlayConfig {
  /// Checks keys that depend on each other and on the mode.
  ///
  /// - Throws: code 7 for keys that contradict each other or have no meaning in this mode.
  func checkCombinations(_ mode: OverlayMode) throws(CNIError) {
    switch mode {
    case .l3:
      if isGateway == false { throw refusal("isGateway", "false", "mode l3 routes through the host: want true") }
      if learning == true { throw refusal("learning", "true", "mode l3 knows where each subnet is: want false") }
      if neighSuppress != nil { throw misplaced("neighSuppress", "l2") }
      if let gatewayMAC { throw misplaced("gatewayMac", "l2", "\"\(gatewayMAC)\"") }
    case .l2:
      if directRouting != nil { throw misplaced("directRouting", "l3") }
      if isGateway == false, isDefaultGateway == true {
        throw refusal("isDefaultGateway", "true", "\"isGateway\" is false: want both or neither")
      }
      if isGateway == false, let gatewayMAC {
        throw refusal("gatewayMac", "\"\(gatewayMAC)\"", "\"isGateway\" is false: want no such key")
      }
    }
    if controlPlane.isEVPN, learning == true {
      throw refusal("learning", "true", "with evpn the routing daemon knows where each address is: want false")
    }
    if let bridge, bridge == vxlan { throw OverlayNames.refusal(ofBoth: bridge) }
    guard case .multicast(let group) = controlPlane else { return }
    guard group.isMulticast else { throw refusal("controlPlane.group", "\"\(group)\"", "want a multicast address") }
    if let local = findings?.local, group.family != local.family {
      throw refusal("controlPlane.group", "\"\(group)\"", "want a multicast address of the family of local, \(local)")
    }
    guard dev != nil else {
      throw CNIError(.invalidNetworkConfig, "key \"dev\": missing: want the link by which the group is joined")
    }
  }

  /// Checks that the IPAM plugin and the runtime's keys fit the mode.
  ///
  /// - Throws: code 7 for an IPAM plugin that cannot serve the mode, 2 for links between containers.
  func checkAddresses(_ mode: OverlayMode, _ keys: RuntimeKeys) throws(CNIError) {
    if mode == .l3, ipam == nil {
      throw CNIError(.invalidNetworkConfig, "key \"ipam\": missing: mode l3 routes to each container's address")
    }
    if let ipam, ipam.needsLink {
      let reason =
        mode == .l3 ? "mode l3 has no such server on the link" : controlPlane.isEtcd ? "etcd is told addresses" : nil
      if let reason { throw refusal("ipam.type", "\"\(ipam)\"", "\(reason): want another") }
      if macFromIP == true, keys.runtimeConfig?.mac == nil, keys.args?.cni?.mac == nil {
        throw refusal("macFromIP", "true", "\(ipam) hands out addresses by the interface's MAC address: want false")
      }
    }
    if keys.args?.cni?.links?.isEmpty == false {
      throw CNIError(
        .unsupportedField,
        "key \"args.cni.links\": containers on other hosts are not known by name here: want no such key")
    }
  }

  private func refusal(_ key: String, _ value: String, _ why: String) -> CNIError {
    CNIError(.invalidNetworkConfig, "key \"\(key)\": \(value): \(why)")
  }

  private func misplaced(_ key: String, _ mode: String, _ value: String? = nil) -> CNIError {
    refusal(key, value ?? "given", "it means something in mode \(mode) alone: want no such key")
  }
}

extension ControlPlane {
  public var isEtcd: Bool { if case .etcd = self { true } else { false } }
}

extension OverlaySettings {
  /// Checks that each peer has an address, subnets and a MAC address of its own, and fits the mode.
  ///
  /// - Throws: code 7 for peers that contradict each other, this host or the mode.
  func checkPeers(_ plane: ControlPlane) throws(CNIError) {
    var holders: [IPPrefix: IPAddress] = [:], tunnels: [MACAddress: IPAddress] = [vtepMAC: local]
    for subnet in knowledge.ownSubnets { holders[subnet] = local }
    for peer in knowledge.peers {
      guard peer.vtep.family == local.family, !peer.vtep.isMulticast else {
        let known = local.isUnspecified ? "local" : "local, \(local),"
        throw refusal(peer, "want a unicast IPv\(local.family.digit) address, as \(known) is")
      }
      if case .fixed = plane { try checkMode(of: peer) }
      for subnet in peer.subnets {
        if let other = holders.updateValue(peer.vtep, forKey: subnet), other != peer.vtep {
          throw refusal(peer, "subnet \(subnet) is \(other)'s already: want one host for each")
        }
      }
      guard mode == .l3 else { continue }
      let mac = peer.tunnelMAC(tunnel.vni)
      if let other = tunnels.updateValue(peer.vtep, forKey: mac), other != peer.vtep {
        throw refusal(peer, "hardware address \(mac) is \(other)'s already: want one for each")
      }
    }
  }

  private func checkMode(of peer: OverlayPeer) throws(CNIError) {
    switch mode {
    case .l3:
      if peer.subnets.isEmpty { throw refusal(peer, "\"subnet\" is missing: want the subnet of its containers") }
      if !peer.endpoints.isEmpty { throw refusal(peer, "mode l3 routes to subnets: want no \"endpoints\"") }
    case .l2:
      if !peer.subnets.isEmpty { throw refusal(peer, "mode l2 has one subnet: want no \"subnet\"") }
      if let mac = peer.vtepMAC { throw refusal(peer, "mode l2 routes nothing to \(mac): want no \"vtepMac\"") }
    }
  }

  private func refusal(_ peer: OverlayPeer, _ why: String) -> CNIError {
    CNIError(.invalidNetworkConfig, "peer \(peer.vtep): \(why)")
  }
}

extension OverlayPeer {
  /// The MAC address of its VXLAN device.
  func tunnelMAC(_ vni: Int) -> MACAddress { vtepMAC ?? MACAddress(forTunnelOf: vni, from: vtep) }
}
