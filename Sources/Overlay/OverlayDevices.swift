import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit

/// The devices of an overlay network on one host.
struct OverlayDevices {
  var settings: OverlaySettings
  var facts: OverlayFacts
  var network: NetworkName

  var names: OverlayNames { settings.names(of: network) }
  var tag: String { Owner.tagPrefix(network) }

  /// Whether the bridge is this network's: made for it now, or by an ADD of it, even one that got no further.
  var ownsBridge: Bool {
    guard let there = facts.bridge else { return true }
    guard let alias = there.alias else {
      return names.bridge == OverlayNames(network).bridge || there.mac == settings.bridgeMAC
    }
    return alias == tag
  }

  var ownsVXLAN: Bool {
    guard let there = facts.vxlan else { return true }
    return there.alias == tag || there.alias == nil && there.mac == settings.vtepMAC
  }

  /// A device that is given another hardware address loses its neighbours, those that are set for good too.
  var losesNeighbours: Bool { facts.vxlan.map { $0.mac != settings.vtepMAC } ?? false }

  /// What the tunnel adds to each packet, in bytes.
  var overhead: Int { settings.local.family == .v4 ? 50 : 70 }

  /// Largest packet of containers, in bytes; less than the device's if the underlay's MTU was lowered.
  ///
  /// - Throws: code 7 where the network below takes no such packets with what the tunnel adds to them.
  func checkedMTU() throws(CNIError) -> Int {
    let below = facts.underlayMTU.map { $0 - overhead }
    let most = [facts.vxlan?.mtu, below].compactMap(\.self).min()
    if let given = settings.mtu, let most, given > most {
      let why =
        facts.vxlan.flatMap { $0.mtu == most ? "\($0.name) is there with \(most)" : nil }
        ?? "the network below takes \(most + overhead), less \(overhead) for the tunnel"
      throw CNIError(.invalidNetworkConfig, "key \"mtu\": \(given): \(why): want at most \(most)")
    }
    guard let mtu = settings.mtu ?? [most, facts.bridge?.mtu].compactMap(\.self).min() else { return 1500 - overhead }
    return mtu
  }

  /// The VRF, the bridge, then the VXLAN device.
  ///
  /// `families` are those of the container's addresses.
  func changes(mtu: Int, families: Set<IPFamily>) -> [Change] {
    let hasIPv6 = families.contains(.v6)
    let bridge = LinkSpec(
      names.bridge, kind: .bridge(filtersVLANs: false), mac: settings.bridgeMAC, mtu: mtu, group: Isolation.linkGroup)
    let tunnel = LinkSpec(
      names.vxlan, kind: .vxlan(settings.tunnel.atAddress(of: facts.vxlan), over: settings.dev),
      mac: settings.vtepMAC, mtu: mtu, group: Isolation.linkGroup)
    let vrf = settings.vrf?.changes(facts.vrf, mtu: mtu, hasIPv6: facts.hasIPv6) ?? []
    return vrf + [.createLink(bridge)]
      + ipv6(of: names.bridge, facts.bridge, isWanted: hasIPv6 && (settings.isGateway || settings.isEVPN))
      + [.changeLink(names.bridge, on: .host, bridgeState), .createLink(tunnel)]
      + ipv6(of: names.vxlan, facts.vxlan, isWanted: hasIPv6 && settings.mode == .l3) + states
  }

  /// What holds for devices that are there.
  var states: [Change] {
    var changes: [Change] = [.changeLink(names.vxlan, on: .host, tunnelState)]
    // A link takes no neighbours of a family that it does not know.
    if settings.knowsIPv6Endpoints {
      changes.append(.setSysctls([.conf(.v6, names.bridge, "disable_ipv6", "0")], on: .host))
    }
    if let isOn = settings.checksumOffload { changes.append(.setChecksumOffload(names.vxlan, isOn: isOn)) }
    // Only now: what names devices by rules of its own may have given it another as it appeared.
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
      local: settings.tunnel.move(of: facts.vxlan))
    guard settings.mode == .l2 else { return state }
    state.master = names.bridge
    state.port = settings.tunnelPort
    return state
  }

  /// Before it is up: nobody listens to routers, and no address is looked for elsewhere, where others have it as well.
  ///
  /// A bridge that is a gateway needs its link-local address, to ask for containers; the same on all hosts where its
  /// hardware address is.
  private func ipv6(of name: InterfaceName, _ there: LinkInfo?, isWanted: Bool) -> [Change] {
    var wanted: [Sysctl] = []
    if there?.isUp != true, facts.hasIPv6 {
      let isAsking = name == names.bridge && settings.isGateway
      // A routing daemon may know of IPv6 elsewhere.
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
  /// This with the address that a device has which is there: that can be changed while it is in use.
  func atAddress(of there: LinkInfo?) -> VXLAN {
    var tunnel = self
    if let now = there?.vxlan?.local, now.family == local?.family { tunnel.local = now }
    return tunnel
  }

  /// The address that a device which is there has to be given.
  func move(of there: LinkInfo?) -> IPAddress? {
    guard let now = there?.vxlan?.local, now.family == local?.family, now != local else { return nil }
    return local
  }
}

extension OverlaySettings {
  fileprivate var knowsIPv6Endpoints: Bool {
    mode == .l2 && knowledge.peers.contains { $0.endpoints.contains { $0.address.family == .v6 } }
  }
}
