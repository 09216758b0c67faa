import CNI
public import Kernel
public import NetTypes
import PluginKit

/// A VRF that networks share, and the VXLAN device that connects it with the other hosts.
public struct OverlayVRF: Equatable, Sendable {
  public var name: InterfaceName
  /// `nil`: the table of an existing VRF of that name, or one derived from the VNI.
  public var givenTable: Int?
  /// The VXLAN device for packets between networks on different hosts; `nil`: it connects only networks of this host.
  public var tunnel: VXLAN?
  /// The MAC address of that device and of its bridge.
  public var routerMAC: MACAddress

  /// The alias of links that several networks share.
  static let tag = "cni-vrf"

  /// Reads the keys `vrf`, `vrfTable` and `l3vni`; `nil` if there is no `vrf`.
  ///
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
      throw refusal("vrf", "\"\(name)\"", "only a routing daemon fills it: want controlPlane \"evpn\"")
    }
    if config.isGateway == false {
      throw refusal("vrf", "\"\(name)\"", "\"isGateway\" is false: a VRF needs a gateway: want true")
    }
    if config.masquerade.isOn {
      throw refusal(
        "vrf", "\"\(name)\"",
        "packets of a VRF do not leave through the host's main routing table: want no \"ipMasq\"")
    }
    givenTable = try checked("vrfTable", config.vrfTable, KeyRange.routingTable)
    if let table = givenTable, (253...255).contains(table) {
      throw refusal("vrfTable", "\(table)", "it is one of the host's own routing tables: want another table")
    }
    let vni = try checked("l3vni", config.l3VNI, KeyRange.vni)
    if vni == tunnel.vni { throw refusal("l3vni", "\(tunnel.vni)", "it equals \"vni\": want another VNI") }
    self.tunnel = vni.map { vni in
      var l3Tunnel = tunnel
      l3Tunnel.vni = vni
      return l3Tunnel
    }
    routerMAC = MACAddress(forTunnelOf: vni ?? tunnel.vni, from: local)
    defaultTable = (1 << 30) + (vni ?? tunnel.vni)
  }

  /// The table of a VRF that does not exist yet.
  private var defaultTable: Int
  var table: Int { givenTable ?? defaultTable }

  /// The devices that all networks of the VRF share: `ovl3-4001`, `vxl3-4001`.
  var bridge: InterfaceName? { tunnel.flatMap { InterfaceName("ovl3-\($0.vni)") } }
  var device: InterfaceName? { tunnel.flatMap { InterfaceName("vxl3-\($0.vni)") } }
}

private func refusal(_ key: String, _ value: String, _ reason: String) -> CNIError {
  CNIError(.invalidNetworkConfig, "key \"\(key)\": \(value): \(reason)")
}

/// The state of a VRF's links on the host.
public struct OverlayVRFState: Equatable, Sendable {
  public var vrf: LinkInfo?
  public var bridge: LinkInfo?
  public var device: LinkInfo?
  /// Another VXLAN device with the same VNI and port, if the VRF's own device does not exist.
  public var conflictingDevice: LinkInfo?

  public init() {}

  init<K: Kernel & ~Copyable>(_ wanted: OverlayVRF, on kernel: inout K) throws(KernelError) {
    vrf = try kernel.link(wanted.name, on: .host)
    if let name = wanted.bridge { bridge = try kernel.link(name, on: .host) }
    guard let name = wanted.device, let tunnel = wanted.tunnel else { return }
    device = try kernel.link(name, on: .host)
    guard device == nil else { return }
    conflictingDevice = try kernel.links(kind: "vxlan", master: nil, on: .host).first {
      $0.vxlan?.vni == tunnel.vni && $0.vxlan?.port == tunnel.port
    }
  }
}

extension OverlayVRF {
  /// Checks that the existing links fit the VRF.
  ///
  /// - Throws: code 7 if an existing link has other settings; the message has both values.
  func check(_ hostState: OverlayVRFState, networkBridge: LinkInfo?) throws(CNIError) {
    if let existing = hostState.vrf {
      guard let table = existing.vrfTable else {
        throw refusal("vrf", "\"\(name)\"", "it is not a VRF: want a free name")
      }
      if let givenTable, table != givenTable {
        throw refusal("vrfTable", "\(givenTable)", "\(name) has table \(table): want that, or no \"vrfTable\"")
      }
    }
    // A bridge without an alias comes from an unfinished ADD and belongs to no network yet.
    if let existing = networkBridge, existing.alias != nil,
      existing.master == nil || existing.master != hostState.vrf?.index
    {
      throw refusal(
        "vrf", "\"\(name)\"",
        "bridge \(existing.name) exists outside this VRF: want the configuration that created it")
    }
    guard let tunnel else { return }
    if let conflictingDevice = hostState.conflictingDevice, let existing = conflictingDevice.vxlan {
      throw refusal(
        "l3vni", "\(tunnel.vni)", "\(conflictingDevice.name) is \(existing), not \(tunnel): want another VNI")
    }
    if let existing = hostState.bridge {
      guard existing.kind == "bridge" else {
        throw refusal("l3vni", "\(tunnel.vni)", "\(existing.name) is not a bridge")
      }
      if let master = existing.master, master != hostState.vrf?.index {
        throw refusal("l3vni", "\(tunnel.vni)", "\(existing.name) belongs to link \(master), want \(name)")
      }
    }
    if let existing = hostState.device, existing.vxlan.map({ tunnel.atAddress(of: existing).matches($0) }) != true {
      let found = existing.vxlan.map { "\($0)" } ?? "not a VXLAN device"
      throw refusal("l3vni", "\(tunnel.vni)", "\(existing.name) is \(found), want \(tunnel)")
    }
  }

  /// Changes that make the VRF, and the bridge and the VXLAN device that connect it with other hosts.
  ///
  /// Other hosts send to that bridge's MAC address, so it differs on each host. The bridge has no IP address.
  func changes(_ hostState: OverlayVRFState, mtu: Int, hasIPv6: Bool) -> [Change] {
    let isOurs = hostState.vrf == nil || hostState.vrf?.alias == Self.tag
    var changes: [Change] = [
      .createLink(LinkSpec(name, kind: .vrf(table: hostState.vrf?.vrfTable ?? table))),
      .changeLink(name, on: .host, LinkChange(isUp: true, alias: isOurs ? Self.tag : nil)),
    ]
    guard let tunnel, let bridge, let device else { return changes }
    changes.append(.createLink(LinkSpec(bridge, kind: .bridge(filtersVLANs: false), mac: routerMAC, mtu: mtu)))
    if hostState.bridge?.isUp != true, hasIPv6 { changes.append(autoconfigurationOff(bridge)) }
    changes += [
      .changeLink(bridge, on: .host, LinkChange(isUp: true, alias: Self.tag, master: name)),
      .createLink(
        LinkSpec(device, kind: .vxlan(tunnel.atAddress(of: hostState.device), over: nil), mac: routerMAC, mtu: mtu)),
    ]
    if hostState.device?.isUp != true, hasIPv6 { changes.append(autoconfigurationOff(device)) }
    let port = BridgePort(learning: false)
    return changes + [
      .changeLink(
        device, on: .host,
        LinkChange(isUp: true, alias: Self.tag, master: bridge, port: port, local: tunnel.move(of: hostState.device)))
    ]
  }

  /// Keeps the link from configuring IPv6 addresses by itself.
  private func autoconfigurationOff(_ name: InterfaceName) -> Change {
    .setSysctls(
      [
        .ignoringRouters(name), .conf(.v6, name, "addr_gen_mode", "1", isOptional: true),
      ], on: .host)
  }
}
