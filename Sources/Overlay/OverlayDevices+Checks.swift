import CNI
import Kernel
import NetTypes
import PluginKit

extension OverlayDevices {
  /// Checks that the existing links fit the settings.
  ///
  /// - Throws: code 7 if an existing link belongs to another network or has other settings; the message has both values.
  func check() throws(CNIError) {
    if let name = settings.dev, facts.dev == nil {
      throw CNIError(.invalidNetworkConfig, "key \"dev\": \"\(name)\": want a link of this host")
    }
    if names.bridge == names.vxlan { throw OverlayNames.refusal(ofBoth: names.bridge) }
    try checkBridge()
    try settings.vrf?.check(facts.vrf, networkBridge: facts.bridge)
    try checkTunnel()
  }

  private func checkBridge() throws(CNIError) {
    guard let there = facts.bridge else { return }
    guard there.kind == "bridge" else {
      throw refusal("bridge", "\"\(there.name)\" is \(there.kindInWords): want a bridge or a free name")
    }
    try checkOwner("bridge", of: there)
    let wanted = settings.bridgeMAC
    if settings.mode == .l2, settings.isGateway, there.mac != wanted {
      throw refusal(
        "gatewayMac",
        "bridge \(there.name) has \(there.mac?.description ?? "none"), want \(wanted): the same on all hosts")
    }
  }

  private func checkTunnel() throws(CNIError) {
    if let rival = facts.rival, let tunnel = rival.vxlan {
      let whose = rival.network.map { "network \($0)'s \(rival.name)" } ?? "\(rival.name)"
      throw refusal(
        "vni", "\(whose) is \(tunnel), want \(settings.tunnel): want another vni or another dstport",
        holder: rival.network)
    }
    guard let there = facts.vxlan else { return }
    guard there.kind == "vxlan", let tunnel = there.vxlan else {
      throw refusal(
        "vxlan", "\"\(there.name)\" is \(there.kind.map { "a \($0) link" } ?? "no VXLAN device"): want a free name")
    }
    try checkOwner("vxlan", of: there)
    guard settings.tunnel.atAddress(of: ownsVXLAN ? there : nil).isMet(by: tunnel) else {
      throw refusal("vxlan", "\(there.name) is \(tunnel), want \(settings.tunnel)")
    }
    try checkMove(from: tunnel.local)
    if let dev = facts.dev, there.peer != dev.index {
      throw refusal("dev", "\(there.name) does not send by \(dev.name)")
    }
    let wanted = settings.mode == .l2 ? facts.bridge?.index : nil
    if let master = there.master, master != wanted {
      throw refusal(
        "vxlan", "\(there.name) is a port of a bridge, link \(master): want it free for mode \(settings.mode)")
    }
  }

  /// Refuses a peer list with this host's former address: it would route this host's own subnet into the tunnel.
  private func checkMove(from old: IPAddress?) throws(CNIError) {
    guard let old, old != settings.local, settings.mode == .l3, settings.knowledge.ownSubnets.isEmpty,
      settings.knowledge.peers.contains(where: { $0.vtep == old })
    else { return }
    throw CNIError(
      .invalidNetworkConfig,
      "key \"controlPlane.peers\": \(names.vxlan) is at \(old) until now, and this host at \(settings.local): want that in the list"
    )
  }

  private func checkOwner(_ key: String, of there: LinkInfo) throws(CNIError) {
    guard let other = there.network, other != network.description else { return }
    throw refusal(key, "\"\(there.name)\" is network \(other)'s: want a name of its own", holder: other)
  }

  /// An error that names the network whose devices are in the way: `holder`, or this network.
  private func refusal(_ key: String, _ why: String, holder: String? = nil) -> CNIError {
    CNIError(
      .invalidNetworkConfig, "key \"\(key)\": \(why)",
      details: "what is unused goes with: cnictl network rm \(holder ?? network.description)")
  }
}

extension LinkInfo {
  /// The network in the link's alias, if the link serves all attachments of that network.
  fileprivate var network: String? {
    guard let alias, alias.hasPrefix(Owner.tagPrefix), alias.hasSuffix("/") else { return nil }
    return String(alias.dropFirst(Owner.tagPrefix.count).dropLast())
  }
}
