import CNI
import Kernel
import NetTypes
import PacketFilter

extension PortVLANs {
  /// Reads `vlan`, `vlanTrunk` and `preserveDefaultVlan`; `nil` if no VLAN is configured.
  ///
  /// - Throws: code 7 for a VLAN ID outside 1 to 4094, or a range with only one end.
  init?(_ config: BridgeConfig) throws(CNIError) {
    let number = try checked("vlan", config.vlan == 0 ? nil : config.vlan, VLANID.range)
    var tagged: [ClosedRange<VLANID>] = []
    for (index, trunk) in (config.vlanTrunk ?? []).enumerated() {
      tagged += try trunk.ranges(key: "vlanTrunk[\(index)]")
    }
    guard number != nil || !tagged.isEmpty else { return nil }
    self.init(native: number.flatMap(VLANID.init), tagged: tagged, keepsDefault: config.preserveDefaultVlan ?? false)
    // With a trunk alone, untagged frames stay in the port's default VLAN.
    if native == nil { keepsDefault = true }
  }
}

extension BridgeConfig.Trunk {
  fileprivate func ranges(key: String) throws(CNIError) -> [ClosedRange<VLANID>] {
    var ranges: [ClosedRange<VLANID>] = []
    if let id = try checked("\(key).id", id, VLANID.range).flatMap(VLANID.init) { ranges.append(id...id) }
    let low = try checked("\(key).minID", minID, VLANID.range).flatMap(VLANID.init)
    let high = try checked("\(key).maxID", maxID, VLANID.range).flatMap(VLANID.init)
    switch (low, high) {
    case (let low?, let high?) where low <= high: ranges.append(low...high)
    case (let low?, let high?):
      throw CNIError(.invalidNetworkConfig, "key \"\(key)\": minID \(low) is greater than maxID \(high)")
    case (nil, nil): break
    default: throw CNIError(.invalidNetworkConfig, "key \"\(key)\": want both minID and maxID, or neither")
    }
    guard !ranges.isEmpty else {
      throw CNIError(.invalidNetworkConfig, "key \"\(key)\": want id, or minID and maxID")
    }
    return ranges
  }
}

extension BridgeSettings {
  /// The link with the gateway's addresses: the bridge, or `BRIDGE.VLAN`.
  ///
  /// - Throws: code 7 if the bridge's name is too long to append the VLAN.
  static func gatewayLink(_ bridge: InterfaceName, _ vlan: VLANID?) throws(CNIError) -> InterfaceName {
    guard let vlan else { return bridge }
    guard let name = InterfaceName("\(bridge).\(vlan)") else {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"bridge\": \"\(bridge)\": want at most \(14 - vlan.description.count) bytes, to make \(bridge).\(vlan)")
    }
    return name
  }

  /// The bridge port of the veth pair whose other end is `gatewayLink`; `nil` without a VLAN.
  var gatewayPort: InterfaceName? {
    vlans?.native.flatMap { isGateway ? InterfaceName("\(bridge)-\($0)") : nil }
  }
}

extension BridgePlanner {
  /// A VLAN's gateway: a veth pair on the host, with one end as a port of the bridge in that VLAN.
  func gatewayLinkChanges(mtu: Int) -> [Change] {
    guard let port = settings.gatewayPort, let vlan = settings.vlans?.native else { return [] }
    let peer = LinkSpec.Peer(name: settings.gatewayLink, mac: hostState.gatewayMAC, netns: .host)
    let alias = AttachmentID.tagPrefix(owner.network)
    return [
      .createLink(LinkSpec(port, kind: .veth(peer: peer), mtu: mtu)),
      .changeLink(port, on: .host, LinkChange(isUp: true, alias: alias, master: settings.bridge)),
      .setVLANs(PortVLANs(native: vlan, keepsDefault: false), on: port),
      .changeLink(
        settings.gatewayLink, on: .host, LinkChange(isUp: true, alias: alias, group: Isolation.linkGroup)),
    ]
  }
}
