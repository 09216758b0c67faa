import CNI
public import Kernel
public import NetTypes
import PluginKit

/// A routing table of its own that networks share, and what carries it to other hosts.
public struct OverlayVRF: Equatable, Sendable {
  public var name: InterfaceName
  /// `nil`: whatever a VRF of that name has, or one of the VNI's number.
  public var givenTable: Int?
  /// The device that packets between networks travel by to other hosts, and its hardware address and that of its bridge;
  /// `nil`: they do not.
  public var tunnel: VXLAN?
  public var routerMAC: MACAddress

  /// The alias of what networks of ours share and none of them owns.
  static let tag = "cni-vrf"

  /// - Throws: code 7 for keys that contradict each other.
  init?(_ config: OverlayConfig, _ tunnel: VXLAN, local: IPAddress) throws(CNIError) {
    guard let name = config.vrf else {
      for (key, value) in [("l3vni", config.l3VNI), ("vrfTable", config.vrfTable)] {
        if let value { throw refusal(key, "\(value)", "\"vrf\" is missing: want the VRF that it belongs to") }
      }
      return nil
    }
    self.name = name
    guard config.controlPlane.isEVPN else {
      throw refusal("vrf", "\"\(name)\"", "only a routing daemon fills it: want it with controlPlane \"evpn\" alone")
    }
    if config.isGateway == false {
      throw refusal("vrf", "\"\(name)\"", "\"isGateway\" is false: want a gateway to route")
    }
    if config.masquerade.isOn {
      throw refusal("vrf", "\"\(name)\"", "what leaves a VRF leaves it elsewhere: want it without \"ipMasq\"")
    }
    givenTable = try checked("vrfTable", config.vrfTable, 1...0xFFFF_FFFF)
    if let table = givenTable, (253...255).contains(table) {
      throw refusal("vrfTable", "\(table)", "it is one of the host's own: want another")
    }
    let vni = try checked("l3vni", config.l3VNI, 1...0xFF_FFFF)
    if vni == tunnel.vni { throw refusal("l3vni", "\(tunnel.vni)", "it is \"vni\": want a VNI of its own") }
    self.tunnel = vni.map { vni in
      var between = tunnel
      between.vni = vni
      return between
    }
    routerMAC = MACAddress(forTunnelOf: vni ?? tunnel.vni, from: local)
    defaultTable = (1 << 30) + (vni ?? tunnel.vni)
  }

  /// Of a VRF that is still to be made.
  private var defaultTable: Int
  var table: Int { givenTable ?? defaultTable }

  /// What all networks of the VRF share: `ovl3-4001`, `vxl3-4001`.
  var bridge: InterfaceName? { tunnel.flatMap { InterfaceName("ovl3-\($0.vni)") } }
  var device: InterfaceName? { tunnel.flatMap { InterfaceName("vxl3-\($0.vni)") } }
}

private func refusal(_ key: String, _ value: String, _ why: String) -> CNIError {
  CNIError(.invalidNetworkConfig, "key \"\(key)\": \(value): \(why)")
}

/// What is there of a VRF.
public struct OverlayVRFFacts: Equatable, Sendable {
  public var vrf: LinkInfo?
  public var bridge: LinkInfo?
  public var device: LinkInfo?
  /// Another VXLAN device with its VNI and port, where its own is missing.
  public var rival: LinkInfo?

  public init() {}

  init<K: Kernel & ~Copyable>(_ wanted: OverlayVRF, on kernel: inout K) throws(KernelError) {
    vrf = try kernel.link(wanted.name, on: .host)
    if let name = wanted.bridge { bridge = try kernel.link(name, on: .host) }
    guard let name = wanted.device, let tunnel = wanted.tunnel else { return }
    device = try kernel.link(name, on: .host)
    guard device == nil else { return }
    rival = try kernel.links(kind: "vxlan", master: nil, on: .host).first {
      $0.vxlan?.vni == tunnel.vni && $0.vxlan?.port == tunnel.port
    }
  }
}

extension OverlayVRF {
  /// - Throws: code 7 where what is there is something else; both sides are named.
  func check(_ facts: OverlayVRFFacts, networkBridge: LinkInfo?) throws(CNIError) {
    if let there = facts.vrf {
      guard let table = there.vrfTable else { throw refusal("vrf", "\"\(name)\"", "it is no VRF: want a free name") }
      if let givenTable, table != givenTable {
        throw refusal("vrfTable", "\(givenTable)", "\(name) has table \(table): want that, or no such key")
      }
    }
    // One that is not finished belongs to nobody yet.
    if let there = networkBridge, there.alias != nil, there.master == nil || there.master != facts.vrf?.index {
      throw refusal("vrf", "\"\(name)\"", "bridge \(there.name) is not in it: want the network as it was made")
    }
    guard let tunnel else { return }
    if let rival = facts.rival, let there = rival.vxlan {
      throw refusal("l3vni", "\(tunnel.vni)", "\(rival.name) is \(there), want \(tunnel): want another VNI")
    }
    if let there = facts.bridge {
      guard there.kind == "bridge" else { throw refusal("l3vni", "\(tunnel.vni)", "\(there.name) is no bridge") }
      if let master = there.master, master != facts.vrf?.index {
        throw refusal("l3vni", "\(tunnel.vni)", "\(there.name) belongs to link \(master), want \(name)")
      }
    }
    if let there = facts.device, there.vxlan.map({ tunnel.atAddress(of: there).isMet(by: $0) }) != true {
      let found = there.vxlan.map { "\($0)" } ?? "no VXLAN device"
      throw refusal("l3vni", "\(tunnel.vni)", "\(there.name) is \(found), want \(tunnel)")
    }
  }

  /// The VRF, and the bridge and the VXLAN device that lead to it on other hosts.
  ///
  /// That bridge's hardware address is what other hosts send to, so each host has one of its own; it has no address.
  func changes(_ facts: OverlayVRFFacts, mtu: Int, hasIPv6: Bool) -> [Change] {
    let isOurs = facts.vrf == nil || facts.vrf?.alias == Self.tag
    var changes: [Change] = [
      .createLink(LinkSpec(name, kind: .vrf(table: facts.vrf?.vrfTable ?? table))),
      .changeLink(name, on: .host, LinkChange(isUp: true, alias: isOurs ? Self.tag : nil)),
    ]
    guard let tunnel, let bridge, let device else { return changes }
    changes.append(.createLink(LinkSpec(bridge, kind: .bridge(filtersVLANs: false), mac: routerMAC, mtu: mtu)))
    if facts.bridge?.isUp != true, hasIPv6 { changes.append(quiet(bridge)) }
    changes += [
      .changeLink(bridge, on: .host, LinkChange(isUp: true, alias: Self.tag, master: name)),
      .createLink(
        LinkSpec(device, kind: .vxlan(tunnel.atAddress(of: facts.device), over: nil), mac: routerMAC, mtu: mtu)),
    ]
    if facts.device?.isUp != true, hasIPv6 { changes.append(quiet(device)) }
    let port = BridgePort(learning: false)
    return changes + [
      .changeLink(
        device, on: .host,
        LinkChange(isUp: true, alias: Self.tag, master: bridge, port: port, local: tunnel.move(of: facts.device)))
    ]
  }

  /// No addresses of its own making.
  private func quiet(_ name: InterfaceName) -> Change {
    .setSysctls(
      [
        .ignoringRouters(name), .conf(.v6, name, "addr_gen_mode", "1", isOptional: true),
      ], on: .host)
  }
}
