import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit

/// The devices of an overlay network on one host.
struct OverlayDevices {
  var settings: OverlaySettings
  var hostState: OverlayHostState
  var network: NetworkName

  var names: OverlayNames { settings.names(of: network) }
  var tag: String { AttachmentID.tagPrefix(network) }

  /// Whether the bridge belongs to this network: not made yet, or made by one of its ADDs, even an interrupted one.
  var ownsBridge: Bool {
    guard let existing = hostState.bridge else { return true }
    guard let alias = existing.alias else {
      return names.bridge == OverlayNames(network).bridge || existing.mac == settings.bridgeMAC
    }
    return alias == tag
  }

  var ownsVXLAN: Bool {
    guard let existing = hostState.vxlan else { return true }
    return existing.alias == tag || existing.alias == nil && existing.mac == settings.vtepMAC
  }

  /// Whether the device gets another MAC address: the kernel then removes all its neighbour entries, permanent ones too.
  var losesNeighbours: Bool { hostState.vxlan.map { $0.mac != settings.vtepMAC } ?? false }

  /// What the tunnel's headers add to each packet, in bytes.
  var overhead: Int { settings.local.family == .v4 ? 50 : 70 }

  /// The containers' MTU, in bytes; less than the device's if the underlay's MTU was lowered.
  ///
  /// - Throws: code 7 if the key `mtu` is larger than the underlay, less the overhead, or the existing device allows.
  func checkedMTU() throws(CNIError) -> Int {
    let tunnelMTU = hostState.underlayMTU.map { $0 - overhead }
    let maximum = [hostState.vxlan?.mtu, tunnelMTU].compactMap { $0 }.min()
    if let given = settings.mtu, let maximum, given > maximum {
      let reason =
        hostState.vxlan.flatMap { $0.mtu == maximum ? "\($0.name) exists with MTU \(maximum)" : nil }
        ?? "the underlay carries \(maximum + overhead) bytes, and the tunnel takes \(overhead) of them"
      throw CNIError(.invalidNetworkConfig, "key \"mtu\": \(given): \(reason): want at most \(maximum)")
    }
    guard let mtu = settings.mtu ?? [maximum, hostState.bridge?.mtu].compactMap({ $0 }).min() else {
      return 1500 - overhead
    }
    return mtu
  }

  /// Changes that make the VRF, the bridge and the VXLAN device, in this order.
  ///
  /// `families` are the families of the container's addresses.
  func changes(mtu: Int, families: Set<IPFamily>) -> [Change] {
    let hasIPv6 = families.contains(.v6)
    let bridge = LinkSpec(
      names.bridge, kind: .bridge(filtersVLANs: false), mac: settings.bridgeMAC, mtu: mtu, group: Isolation.linkGroup)
    let tunnel = LinkSpec(
      names.vxlan, kind: .vxlan(settings.tunnel.atAddress(of: hostState.vxlan), over: settings.dev),
      mac: settings.vtepMAC, mtu: mtu, group: Isolation.linkGroup)
    let vrf = settings.vrf?.changes(hostState.vrf, mtu: mtu, hasIPv6: hostState.hasIPv6) ?? []
    return vrf + [.createLink(bridge)]
      + ipv6(of: names.bridge, hostState.bridge, isWanted: hasIPv6 && (settings.isGateway || settings.isEVPN))
      + [.changeLink(names.bridge, on: .host, bridgeState), .createLink(tunnel)]
      + ipv6(of: names.vxlan, hostState.vxlan, isWanted: hasIPv6 && settings.mode == .l3) + states
  }

  /// Settings that the devices must have once they exist.
  var states: [Change] {
    var changes: [Change] = [.changeLink(names.vxlan, on: .host, tunnelState)]
    // A link refuses IPv6 neighbour entries while its `disable_ipv6` is 1.
    if settings.knowsIPv6Endpoints {
      changes.append(.setSysctls([.conf(.v6, names.bridge, "disable_ipv6", "0")], on: .host))
    }
    if let isOn = settings.checksumOffload { changes.append(.setChecksumOffload(names.vxlan, isOn: isOn)) }
    // Last: a udev rule or a systemd.link(5) file may have changed the new device's MAC address.
    changes.append(.changeLink(names.vxlan, on: .host, LinkChange(mac: settings.vtepMAC)))
    return changes
  }

  private var bridgeState: LinkChange {
    LinkChange(
      isUp: true, alias: ownsBridge ? tag : nil, group: ownsBridge ? Isolation.linkGroup : nil,
      master: settings.vrf?.name)
  }

  private var tunnelState: LinkChange {
    var state = LinkChange(
      isUp: true, alias: ownsVXLAN ? tag : nil, group: ownsVXLAN ? Isolation.linkGroup : nil,
      local: settings.tunnel.move(of: hostState.vxlan))
    guard settings.mode == .l2 else { return state }
    state.master = names.bridge
    state.port = settings.tunnelPort
    return state
  }

  /// IPv6 settings of a link that is not up yet: no router advertisements, and no DAD, as other hosts have the same address.
  ///
  /// A bridge that is a gateway needs its link-local address to send neighbour solicitations to containers. It is derived from
  /// the bridge's MAC address, so it is the same on all hosts.
  private func ipv6(of name: InterfaceName, _ existing: LinkInfo?, isWanted: Bool) -> [Change] {
    var wanted: [Sysctl] = []
    if existing?.isUp != true, hostState.hasIPv6 {
      let isAsking = name == names.bridge && settings.isGateway
      // A routing daemon may set IPv6 neighbours of containers on other hosts.
      let isNeeded = isWanted || name == names.bridge && settings.isEVPN
      wanted = [
        .ignoringRouters(name), .conf(.v6, name, "accept_dad", "0", isOptional: true),
        .conf(.v6, name, "addr_gen_mode", isAsking ? "0" : "1", isOptional: !isAsking),
        .conf(.v6, name, "disable_ipv6", isNeeded ? "0" : "1", isOptional: !isNeeded),
      ]
    } else if isWanted {
      wanted = [.conf(.v6, name, "disable_ipv6", "0")]
    }
    return wanted.isEmpty ? [] : [.setSysctls(wanted, on: .host)]
  }
}

extension VXLAN {
  /// These parameters with the existing device's local address: it may differ, because it can be changed later.
  func atAddress(of existing: LinkInfo?) -> VXLAN {
    var tunnel = self
    if let current = existing?.vxlan?.local, current.family == local?.family { tunnel.local = current }
    return tunnel
  }

  /// The local address to set on an existing device; `nil` if it need not or cannot be changed.
  func move(of existing: LinkInfo?) -> IPAddress? {
    guard let current = existing?.vxlan?.local, current.family == local?.family, current != local else { return nil }
    return local
  }
}

extension OverlaySettings {
  var knowsIPv6Endpoints: Bool {
    mode == .l2 && controlState.peers.contains { $0.endpoints.contains { $0.address.family == .v6 } }
  }
}

extension OverlayDevices {
  /// Checks that the existing links fit the settings.
  ///
  /// - Throws: code 7 if an existing link belongs to another network or has other settings; the message has both values.
  func check() throws(CNIError) {
    if let name = settings.dev, hostState.dev == nil {
      throw CNIError(.invalidNetworkConfig, "key \"dev\": \"\(name)\": want a link of this host")
    }
    if names.bridge == names.vxlan { throw OverlayNames.refusal(ofBoth: names.bridge) }
    try checkBridge()
    try settings.vrf?.check(hostState.vrf, networkBridge: hostState.bridge)
    try checkTunnel()
  }

  private func checkBridge() throws(CNIError) {
    guard let existing = hostState.bridge else { return }
    guard existing.kind == "bridge" else {
      throw refusal("bridge", "\"\(existing.name)\" is \(existing.kindDescription): want a bridge or a free name")
    }
    try checkOwner("bridge", of: existing)
    let wanted = settings.bridgeMAC
    if settings.mode == .l2, settings.isGateway, existing.mac != wanted {
      throw refusal(
        "gatewayMac",
        "bridge \(existing.name) has \(existing.mac?.description ?? "none"), want \(wanted): the same on all hosts")
    }
  }

  private func checkTunnel() throws(CNIError) {
    if let conflictingDevice = hostState.conflictingDevice, let tunnel = conflictingDevice.vxlan {
      let holderText =
        conflictingDevice.network.map { "network \($0)'s \(conflictingDevice.name)" } ?? "\(conflictingDevice.name)"
      throw refusal(
        "vni", "\(holderText) is \(tunnel), want \(settings.tunnel): want another vni or another dstport",
        holder: conflictingDevice.network)
    }
    guard let existing = hostState.vxlan else { return }
    guard existing.kind == "vxlan", let tunnel = existing.vxlan else {
      throw refusal(
        "vxlan",
        "\"\(existing.name)\" is \(existing.kind.map { "a \($0) link" } ?? "not a VXLAN device"): want a free name")
    }
    try checkOwner("vxlan", of: existing)
    guard settings.tunnel.atAddress(of: ownsVXLAN ? existing : nil).matches(tunnel) else {
      throw refusal("vxlan", "\(existing.name) is \(tunnel), want \(settings.tunnel)")
    }
    try checkMove(from: tunnel.local)
    if let dev = hostState.dev, existing.parentIndex != dev.index {
      throw refusal("dev", "\(existing.name) does not send through \(dev.name)")
    }
    let wanted = settings.mode == .l2 ? hostState.bridge?.index : nil
    if let master = existing.master, master != wanted {
      throw refusal(
        "vxlan",
        "\(existing.name) is a port of a bridge, link \(master): want it free for mode \(settings.mode.rawValue)")
    }
  }

  /// Refuses a peer list with this host's former address: it would route this host's own subnet into the tunnel.
  private func checkMove(from old: IPAddress?) throws(CNIError) {
    guard let old, old != settings.local, settings.mode == .l3, settings.controlState.ownSubnets.isEmpty,
      settings.controlState.peers.contains(where: { $0.vtep == old })
    else { return }
    throw CNIError(
      .invalidNetworkConfig,
      "key \"controlPlane.peers\": \(names.vxlan) has the local address \(old), but this host now has \(settings.local): want that in the list"
    )
  }

  private func checkOwner(_ key: String, of existing: LinkInfo) throws(CNIError) {
    guard let other = existing.network, other != network.description else { return }
    throw refusal(key, "\"\(existing.name)\" belongs to network \(other): want another name", holder: other)
  }

  /// An error that names the network that has the conflicting devices: `holder`, or this network.
  private func refusal(_ key: String, _ reason: String, holder: String? = nil) -> CNIError {
    CNIError(
      .invalidNetworkConfig, "key \"\(key)\": \(reason)",
      details: "this removes unused devices: cnictl network rm \(holder ?? network.description)")
  }
}

extension LinkInfo {
  /// The network in the link's alias, if the link serves all attachments of that network.
  fileprivate var network: String? {
    guard let alias, alias.hasPrefix(AttachmentID.tagPrefix), alias.hasSuffix("/") else { return nil }
    return String(alias.dropFirst(AttachmentID.tagPrefix.count).dropLast())
  }
}
