import CNI
import NetTypes
import PluginKit

/// The `bridge` part of a network configuration, as written; absent keys are `nil`.
struct BridgeConfig: JSONReadable, Sendable {
  var bridge: InterfaceName?
  var isGateway: Bool?
  var isDefaultGateway: Bool?
  var forceAddress: Bool?
  /// Largest packet, in bytes; 0 means absent, as with the reference plugin.
  var mtu: Int?
  var hairpinMode: Bool?
  var promiscMode: Bool?
  var portIsolation: Bool?
  var enabledad: Bool?
  var disableContainerInterface: Bool?
  /// Frames without a tag belong to this VLAN; 0 means absent, as with the reference plugin.
  var vlan: Int?
  var vlanTrunk: [Trunk]?
  var preserveDefaultVlan: Bool?
  /// The container's MAC address is `02:42` and its IPv4 address.
  var macFromIP: Bool?
  /// Of several networks' default routes the one with the highest priority counts.
  var gwPriority: Int?
  /// Who hands out addresses; `nil` where the container gets none.
  var ipam: PluginType?
  /// The subnets that `ipam` names.
  var ranges: NetworkRanges
  /// Whether the container listens to routers on its link.
  var routerAdvertisements: RouterAdvertisements
  var masquerade: MasqueradeConfig
  /// Whether the host forwards packets, where it is a gateway.
  var ipForward: Bool?
  /// Frames must come from the container's own hardware address.
  var macspoofchk: Bool?
  /// Packets must come from the container's own addresses.
  var ipspoofchk: Bool?
  /// Whether the bridge learns which addresses are behind the container.
  var macLearning: Bool?
  /// `none`, `network` or `container`.
  var isolation: String?
  /// `internal`: nothing passes between the bridge and anything beyond it.
  var isInternal: Bool?

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
    ipam = try json["ipam"]?.filledText("type").flatMap(PluginType.init)
    ranges = NetworkRanges(json)
    routerAdvertisements = try RouterAdvertisements(json)
    masquerade = try MasqueradeConfig(json)
    ipForward = try json.flag("ipForward")
    macspoofchk = try json.flag("macspoofchk")
    ipspoofchk = try json.flag("ipspoofchk")
    macLearning = try json.flag("macLearning")
    isolation = try json.filledText("isolation")
    isInternal = try json.flag("internal")
  }

  /// VLANs that pass with their tags: one, or all from `minID` to `maxID`.
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
