public import CNI
import Kernel
import NetTypes
public import PacketFilter
import PluginKit

extension OverlaySettings {
  /// - Throws: code 7 for a policy that this host and the others could not keep.
  func checkPolicy(_ config: OverlayConfig) throws(CNIError) {
    guard let policy else { return }
    try policy.check(
      isGateway: isGateway, ipam: config.ipam, checksSources: config.macLearning != true && config.ipspoofchk != false)
    guard mode == .l3 else {
      throw PolicyConfig.refusal(
        "in mode l2 the reply of a container on another host does not pass the host that saw the connection begin",
        "\"mode\": \"l3\"")
    }
    guard !routesDirectly else {
      throw PolicyConfig.refusal(
        "with directRouting, packets of other hosts arrive by a link that is not the network's",
        "\"directRouting\": false")
    }
    guard !network.isEmpty else {
      throw PolicyConfig.refusal(
        "packets of several networks arrive by the tunnel", "the key network: the prefixes of all its hosts")
    }
  }

  /// The network's part on other hosts; `nil` if its prefixes are not known.
  public func farNetwork(of network: NetworkName) -> FarNetwork? {
    guard ownsTables, !self.network.isEmpty else { return nil }
    let names = names(of: network)
    return FarNetwork(
      behind: mode == .l3 ? names.vxlan : names.bridge, self.network, members: controlState.members)
  }
}

extension OverlayPlanner {
  /// The rules of the container's own policy and labels.
  func policyRules(_ addressing: Addressing) -> [Change] {
    guard let policy = settings.policy else { return [] }
    return policy.changes(
      owner, addressing.ips.map { $0.address.address }, on: [devices.names.bridge], settings.labels,
      span: settings.farNetwork(of: owner.network))
  }

  /// The rules for the network's containers on other hosts.
  var farPolicyRules: [Change] {
    guard settings.mode == .l3, let span = settings.farNetwork(of: owner.network) else { return [] }
    guard let policy = settings.policy else { return [PolicyConfig.removal(for: owner.network)] }
    return [policy.change(for: owner.network, on: [devices.names.bridge], span: span)]
  }
}
