public import CNI
import Kernel
public import NetTypes
public import PluginKit

/// The `overlay-vxlan` part of a network configuration, as written; absent keys are `nil`.
public struct OverlayConfig: JSONReadable, Sendable {
  public let mode: String?
  public let controlPlane: ControlPlane
  public let vni: Int?
  public let dstport: Int?
  /// `nil`: `auto`.
  public let local: IPAddress?
  /// The link of this host for packets to other hosts.
  public let dev: InterfaceName?
  public let ttl: Int?
  public let df: String?
  public let learning: Bool?
  public let udpcsum: Bool?
  public let udp6zerocsumtx: Bool?
  public let udp6zerocsumrx: Bool?
  public let txChecksumOffload: Bool?
  public let bridge: InterfaceName?
  public let vxlan: InterfaceName?
  /// `nil`: `auto`.
  public let vtepMAC: MACAddress?
  public let gatewayMAC: MACAddress?
  /// Largest packet, in bytes; 0 means absent, as with the reference plugins.
  public let mtu: Int?
  /// The network's prefixes on all hosts.
  public let network: [IPPrefix]
  public let isGateway: Bool?
  public let isDefaultGateway: Bool?
  public let masquerade: MasqueradeConfig
  public let ipForward: Bool?
  /// Whether the container's MAC address is derived from its IP address.
  public let macFromIP: Bool?
  public let enabledad: Bool?
  public let gwPriority: Int?
  /// How the container treats router advertisements on its link.
  public let routerAdvertisements: RouterAdvertisements
  public let hairpinMode: Bool?
  public let portIsolation: Bool?
  /// Whether packets from other addresses than the container's own are dropped.
  public let ipspoofchk: Bool?
  /// Whether the bridge learns which addresses are behind the container.
  public let macLearning: Bool?
  public let isolation: String?
  /// Which connections containers take and open.
  public let policy: PolicyConfig?
  public let directRouting: Bool?
  public let neighSuppress: Bool?
  /// The VRF that routes between networks, and its routing table.
  public let vrf: InterfaceName?
  public let vrfTable: Int?
  /// The L3VNI: the VNI for packets between the VRF's networks on different hosts.
  public let l3VNI: Int?
  /// The IPAM plugin; `nil` if the container gets no addresses.
  public let ipam: PluginType?
  /// The whole configuration, for an IPAM plugin that also needs this host's subnet.
  public let document: JSONValue

  public init(_ json: JSONReader) throws(CNIError) {
    document = json.value
    mode = try json.nonEmptyText("mode")
    controlPlane = try json.required("controlPlane").object()
    vni = try json.integer("vni")
    dstport = try json.integer("dstport")
    local = try json.unlessAuto("local")
    dev = try json.parsed("dev")
    ttl = try json.integer("ttl")
    df = try json.nonEmptyText("df")
    learning = try json.flag("learning")
    udpcsum = try json.flag("udpcsum")
    udp6zerocsumtx = try json.flag("udp6zerocsumtx")
    udp6zerocsumrx = try json.flag("udp6zerocsumrx")
    txChecksumOffload = try json.flag("txChecksumOffload")
    bridge = try json.parsed("bridge")
    vxlan = try json.parsed("vxlan")
    vtepMAC = try json.unicast("vtepMac", json.unlessAuto("vtepMac"))
    gatewayMAC = try json.unicast("gatewayMac", json.parsed("gatewayMac"))
    mtu = try json.integer("mtu")
    network = try json.prefixes("network")
    isGateway = try json.flag("isGateway")
    isDefaultGateway = try json.flag("isDefaultGateway")
    routerAdvertisements = try RouterAdvertisements(json)
    masquerade = try MasqueradeConfig(json)
    ipForward = try json.flag("ipForward")
    macFromIP = try json.flag("macFromIP")
    enabledad = try json.flag("enabledad")
    gwPriority = try json.integer("gwPriority")
    hairpinMode = try json.flag("hairpinMode")
    portIsolation = try json.flag("portIsolation")
    (ipspoofchk, macLearning) = (try json.flag("ipspoofchk"), try json.flag("macLearning"))
    (isolation, policy) = (try json.nonEmptyText("isolation"), try json.object("policy"))
    directRouting = try json.flag("directRouting")
    neighSuppress = try json.flag("neighSuppress")
    vrf = try json.parsed("vrf")
    vrfTable = try json.integer("vrfTable")
    l3VNI = try json.integer("l3vni")
    ipam = try json["ipam"]?.nonEmptyText("type").flatMap(PluginType.init)
  }

  /// Whether an ADD may install rules that check the container's source addresses.
  public var wantsGuards: Bool { ipspoofchk ?? (wantsIsolation || policy != nil) }

  /// Whether an ADD installs packet filter rules.
  public var wantsRules: Bool { masquerade.isOn || wantsIsolation }

  private var wantsIsolation: Bool { (isolation ?? defaultIsolation.rawValue) != IsolationMode.none.rawValue }

  /// A policy that limits both directions takes the place of isolation.
  var defaultIsolation: IsolationMode { policy?.ingress != nil && policy?.egress != nil ? .none : .network }

  /// The mode; by default l3 if the control plane provides subnets, else l2.
  ///
  /// - Throws: code 7 for an unknown mode, and for l3 if the control plane provides no subnets.
  public func checkedMode() throws(CNIError) -> OverlayMode {
    guard let mode else { return controlPlane.providesSubnets ? .l3 : .l2 }
    guard let checked = OverlayMode(rawValue: mode) else {
      throw CNIError(.invalidNetworkConfig, "key \"mode\": \"\(mode)\": want l2 or l3")
    }
    if checked == .l3, !controlPlane.providesSubnets {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"mode\": \"l3\": controlPlane \"\(controlPlane.type)\" does not provide the subnets of hosts: want l2, or static or etcd"
      )
    }
    return checked
  }
}

extension ControlPlane {
  /// The key `controlPlane.type`.
  public var type: String {
    switch self {
    case .fixed: "static"
    case .multicast: "multicast"
    case .evpn: "evpn"
    case .etcd: "etcd"
    }
  }

  /// Whether the control plane knows which subnet is behind which host.
  public var providesSubnets: Bool {
    switch self {
    case .fixed, .etcd: true
    case .multicast, .evpn: false
    }
  }

  public var isEVPN: Bool { self == .evpn }
}

extension JSONReader {
  /// The value of a key; `nil` if it is absent, empty or `auto`.
  fileprivate func unlessAuto<Value: TextCodable>(_ key: String) throws(CNIError) -> Value? {
    guard let member = self[key], member.value != .string("auto"), member.value != .string("") else { return nil }
    guard let value = try Value(member.text()) else { throw member.refusal("auto, or \(Value.expectedForm)") }
    return value
  }

  /// Checks that a MAC address is a unicast address.
  ///
  /// - Throws: code 7 for a multicast or all-zero address, which no link can have.
  fileprivate func unicast(_ key: String, _ mac: MACAddress?) throws(CNIError) -> MACAddress? {
    guard let mac, mac.isMulticast || mac.isZero else { return mac }
    throw try required(key).refusal("a unicast address")
  }

  /// One prefix or a list of prefixes.
  fileprivate func prefixes(_ key: String) throws(CNIError) -> [IPPrefix] {
    guard let member = self[key] else { return [] }
    if case .array = member.value {
      let list: [IPPrefix] = try parsedList(key) ?? []
      return list.map { $0.network }
    }
    return [try member.parsed(as: IPPrefix.self).network]
  }
}

extension OverlayConfig {
  /// Checks keys that depend on each other and on the mode.
  ///
  /// - Throws: code 7 for keys that contradict each other or have no meaning in this mode.
  func checkCombinations(_ mode: OverlayMode, local: IPAddress) throws(CNIError) {
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
    if group.family != local.family {
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
        mode == .l3
        ? "mode l3 has no such server on the link"
        : controlPlane.isEtcd ? "addresses of a DHCP server are not published in etcd" : nil
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

  private func refusal(_ key: String, _ value: String, _ reason: String) -> CNIError {
    CNIError(.invalidNetworkConfig, "key \"\(key)\": \(value): \(reason)")
  }

  private func misplaced(_ key: String, _ mode: String, _ value: String? = nil) -> CNIError {
    refusal(key, value ?? "given", "it is only valid in mode \(mode): want no such key")
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
    for subnet in controlState.ownSubnets { holders[subnet] = local }
    for peer in controlState.peers {
      guard peer.vtep.family == local.family, !peer.vtep.isMulticast else {
        let localText = local.isUnspecified ? "local" : "local, \(local),"
        throw refusal(peer, "want a unicast IPv\(local.family.digit) address, as \(localText) is")
      }
      if case .fixed = plane { try checkMode(of: peer) }
      for subnet in peer.subnets {
        if let other = holders.updateValue(peer.vtep, forKey: subnet), other != peer.vtep {
          throw refusal(peer, "subnet \(subnet) belongs to \(other): want one host for each subnet")
        }
      }
      guard mode == .l3 else { continue }
      let mac = peer.tunnelMAC(tunnel.vni)
      if let other = tunnels.updateValue(peer.vtep, forKey: mac), other != peer.vtep {
        throw refusal(peer, "MAC address \(mac) belongs to \(other): want another MAC address for each host")
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

  private func refusal(_ peer: OverlayPeer, _ reason: String) -> CNIError {
    CNIError(.invalidNetworkConfig, "peer \(peer.vtep): \(reason)")
  }
}

extension OverlayPeer {
  /// The MAC address of its VXLAN device.
  func tunnelMAC(_ vni: Int) -> MACAddress { vtepMAC ?? MACAddress(forTunnelOf: vni, from: vtep) }
}
