import CNI
import NetTypes
import PluginKit

/// The `bridge` part of a network configuration, as written; absent keys are `nil`.
struct BridgeConfig: JSONReadable, Sendable {
  let bridge: InterfaceName?
  let isGateway: Bool?
  let isDefaultGateway: Bool?
  let forceAddress: Bool?
  /// Largest packet, in bytes; 0 means absent, as with the reference plugin.
  let mtu: Int?
  let hairpinMode: Bool?
  let promiscMode: Bool?
  let portIsolation: Bool?
  let enabledad: Bool?
  let disableContainerInterface: Bool?
  /// The VLAN of untagged frames; 0 means absent, as with the reference plugin.
  let vlan: Int?
  let vlanTrunk: [Trunk]?
  let preserveDefaultVlan: Bool?
  /// Whether the container's MAC address is `02:42` followed by its IPv4 address.
  let macFromIP: Bool?
  /// The priority of this network's default route; the highest one among the container's networks is used.
  let gwPriority: Int?
  /// The IPAM plugin; `nil` if the container gets no addresses.
  let ipam: PluginType?
  /// The subnets in `ipam`.
  let ranges: NetworkRanges
  /// Whether the container accepts router advertisements on its link.
  let routerAdvertisements: RouterAdvertisements
  let masquerade: MasqueradeConfig
  /// Whether IP forwarding is switched on, if the host is the gateway.
  let ipForward: Bool?
  /// Whether frames with another source MAC address than the container's are dropped.
  let macspoofchk: Bool?
  /// Whether packets with another source IP address than the container's are dropped.
  let ipspoofchk: Bool?
  let policy: PolicyConfig?
  /// Whether the container's bridge port learns MAC addresses.
  let macLearning: Bool?
  /// `none`, `network` or `container`.
  let isolation: String?
  /// The key `internal`: whether no packets pass between the bridge and other links.
  let isInternal: Bool?

  init(_ json: JSONReader) throws(CNIError) {
    bridge = try json.parsed("bridge")
    isGateway = try json.flag("isGateway")
    isDefaultGateway = try json.flag("isDefaultGateway")
    forceAddress = try json.flag("forceAddress")
    mtu = try json.integer("mtu")
    hairpinMode = try json.flag("hairpinMode")
    promiscMode = try json.flag("promiscMode")
    portIsolation = try json.flag("portIsolation")
    enabledad = try json.flag("enabledad")
    disableContainerInterface = try json.flag("disableContainerInterface")
    vlan = try json.integer("vlan")
    vlanTrunk = try json.objects("vlanTrunk")
    preserveDefaultVlan = try json.flag("preserveDefaultVlan")
    macFromIP = try json.flag("macFromIP")
    gwPriority = try json.integer("gwPriority")
    ipam = try json["ipam"]?.nonEmptyText("type").flatMap(PluginType.init)
    ranges = NetworkRanges(json)
    routerAdvertisements = try RouterAdvertisements(json)
    masquerade = try MasqueradeConfig(json)
    ipForward = try json.flag("ipForward")
    macspoofchk = try json.flag("macspoofchk")
    ipspoofchk = try json.flag("ipspoofchk")
    policy = try json.object("policy")
    macLearning = try json.flag("macLearning")
    isolation = try json.nonEmptyText("isolation")
    isInternal = try json.flag("internal")
  }

  /// Tagged VLANs of the port: one, or all from `minID` to `maxID`.
  struct Trunk: JSONReadable, Sendable {
    var id: Int?
    var minID: Int?
    var maxID: Int?

    init(_ json: JSONReader) throws(CNIError) {
      id = try json.integer("id")
      minID = try json.integer("minID")
      maxID = try json.integer("maxID")
    }
  }
}
