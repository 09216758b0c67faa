public import CNI
public import NetTypes
public import PluginKit

/// The `overlay-vxlan` part of a network configuration, as written; absent keys are `nil`.
public struct OverlayConfig: JSONReadable, Sendable {
  public var mode: String?
  public var controlPlane: ControlPlane
  public var vni: Int?
  public var dstport: Int?
  /// `nil`: `auto`.
  public var local: IPAddress?
  /// The link of this host for packets to other hosts.
  public var dev: InterfaceName?
  public var ttl: Int?
  public var df: String?
  public var learning: Bool?
  public var udpcsum: Bool?
  public var udp6zerocsumtx: Bool?
  public var udp6zerocsumrx: Bool?
  public var txChecksumOffload: Bool?
  public var bridge: InterfaceName?
  public var vxlan: InterfaceName?
  /// `nil`: `auto`.
  public var vtepMAC: MACAddress?
  public var gatewayMAC: MACAddress?
  /// Largest packet, in bytes; 0 means absent, as with the reference plugins.
  public var mtu: Int?
  /// The network's prefixes on all hosts.
  public var network: [IPPrefix]
  public var isGateway: Bool?
  public var isDefaultGateway: Bool?
  public var masquerade: MasqueradeConfig
  public var ipForward: Bool?
  /// Whether the container's MAC address is derived from its IP address.
  public var macFromIP: Bool?
  public var enabledad: Bool?
  public var gwPriority: Int?
  /// How the container treats router advertisements on its link.
  public var routerAdvertisements: RouterAdvertisements
  public var hairpinMode: Bool?
  public var portIsolation: Bool?
  /// Whether packets from other addresses than the container's own are dropped.
  public var ipspoofchk: Bool?
  /// Whether the bridge learns which addresses are behind the container.
  public var macLearning: Bool?
  public var isolation: String?
  public var directRouting: Bool?
  public var neighSuppress: Bool?
  /// The VRF that routes between networks, and its routing table.
  public var vrf: InterfaceName?
  public var vrfTable: Int?
  /// The L3VNI: the VNI for packets between the VRF's networks on different hosts.
  public var l3VNI: Int?
  /// The IPAM plugin; `nil` if the container gets no addresses.
  public var ipam: PluginType?
  /// The whole configuration, for an IPAM plugin that also needs this host's subnet.
  public var document: JSONValue
  /// What this host and the control plane reported; `nil` before they were asked.
  public var findings: OverlayFindings?

  public init(_ json: JSONReader) throws(CNIError) {
    document = json.value
    mode = try json.filledText("mode")
    controlPlane = try json.required("controlPlane").object()
    vni = try json.integer("vni")
    dstport = try json.integer("dstport")
    local = try json.unlessAuto("local")
    dev = try json.parsed("dev")
    ttl = try json.integer("ttl")
    df = try json.filledText("df")
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
    isolation = try json.filledText("isolation")
    directRouting = try json.flag("directRouting")
    neighSuppress = try json.flag("neighSuppress")
    vrf = try json.parsed("vrf")
    vrfTable = try json.integer("vrfTable")
    l3VNI = try json.integer("l3vni")
    ipam = try json["ipam"]?.filledText("type").flatMap(PluginType.init)
  }

  /// Whether an ADD may install rules that check the container's source addresses.
  public var wantsGuards: Bool { ipspoofchk ?? ((isolation ?? "network") != "none") }

  /// Whether an ADD installs packet filter rules.
  public var wantsRules: Bool { masquerade.isOn || (isolation ?? "network") != "none" }

  /// The mode, by default l3 if the control plane knows subnets and l2 otherwise.
  ///
  /// - Throws: code 7 for an unknown mode, and for l3 if the control plane knows no subnets.
  public func checkedMode() throws(CNIError) -> OverlayMode {
    guard let mode else { return controlPlane.knowsSubnets ? .l3 : .l2 }
    guard let checked = OverlayMode(rawValue: mode) else {
      throw CNIError(.invalidNetworkConfig, "key \"mode\": \"\(mode)\": want l2 or l3")
    }
    if checked == .l3, !controlPlane.knowsSubnets {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"mode\": \"l3\": controlPlane \"\(controlPlane.type)\" tells no subnets of hosts: want l2, or static or etcd"
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
  public var knowsSubnets: Bool {
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
    guard let value = try Value(member.text()) else { throw member.refusal("auto, or \(Value.wanted)") }
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
      return list.map(\.network)
    }
    return [try member.parsed(as: IPPrefix.self).network]
  }
}
