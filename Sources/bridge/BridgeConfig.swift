import CNI
import NetTypes

/// The `bridge` part of a network configuration, as written; absent keys are `nil`.
struct BridgeConfig: Decodable, Sendable {
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
  var ipam: IPAM?
  var refused: RefusedKeys

  /// VLANs that pass with their tags: one, or all from `minID` to `maxID`.
  struct Trunk: Decodable, Sendable {
    var id: Int?
    var minID: Int?
    var maxID: Int?

    enum CodingKeys: String, CodingKey {
      case id
      case minID = "minid"
      case maxID = "maxid"
    }
  }

  struct IPAM: Decodable, Sendable { var type: String? }

  enum CodingKeys: String, CodingKey {
    case bridge, mtu, enabledad, ipam, vlan
    case vlanTrunk = "vlantrunk"
    case preserveDefaultVlan = "preservedefaultvlan"
    case isGateway = "isgateway"
    case isDefaultGateway = "isdefaultgateway"
    case forceAddress = "forceaddress"
    case hairpinMode = "hairpinmode"
    case promiscMode = "promiscmode"
    case portIsolation = "portisolation"
    case disableContainerInterface = "disablecontainerinterface"
    case macFromIP = "macfromip"
    case gwPriority = "gwpriority"
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func flag(_ key: CodingKeys) throws -> Bool? { try container.decodeIfPresent(Bool.self, forKey: key) }
    bridge = try container.decodeIfPresent(InterfaceName.self, forKey: .bridge)
    isGateway = try flag(.isGateway)
    isDefaultGateway = try flag(.isDefaultGateway)
    forceAddress = try flag(.forceAddress)
    mtu = try container.decodeIfPresent(Int.self, forKey: .mtu)
    hairpinMode = try flag(.hairpinMode)
    promiscMode = try flag(.promiscMode)
    portIsolation = try flag(.portIsolation)
    enabledad = try flag(.enabledad)
    disableContainerInterface = try flag(.disableContainerInterface)
    vlan = try container.decodeIfPresent(Int.self, forKey: .vlan)
    vlanTrunk = try container.decodeIfPresent([Trunk].self, forKey: .vlanTrunk)
    preserveDefaultVlan = try flag(.preserveDefaultVlan)
    macFromIP = try flag(.macFromIP)
    gwPriority = try container.decodeIfPresent(Int.self, forKey: .gwPriority)
    ipam = try container.decodeIfPresent(IPAM.self, forKey: .ipam)
    refused = try RefusedKeys(from: decoder)
  }
}

/// Keys that ask for what this plugin does not do; harmless values of them pass.
struct RefusedKeys: Decodable, Sendable {
  private var ipMasq: Bool?
  private var ipMasqBackend: String?
  private var macspoofchk: Bool?
  private var isolation: String?
  private var `internal`: Bool?

  enum CodingKeys: String, CodingKey {
    case macspoofchk, isolation
    case ipMasq = "ipmasq"
    case ipMasqBackend = "ipmasqbackend"
    case `internal`
  }

  /// The first key that cannot be honoured, and its value.
  var first: (key: String, value: String)? {
    if ipMasq == true { return ("ipMasq", "true") }
    if let ipMasqBackend, !ipMasqBackend.isEmpty { return ("ipMasqBackend", "\"\(ipMasqBackend)\"") }
    if macspoofchk == true { return ("macspoofchk", "true") }
    if let isolation, !["", "none"].contains(isolation) { return ("isolation", "\"\(isolation)\"") }
    return self.internal == true ? ("internal", "true") : nil
  }
}
