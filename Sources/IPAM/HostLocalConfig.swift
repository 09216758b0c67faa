public import CNI
public import NetTypes

/// What `ipam-host-local` reads of a network's configuration.
public struct HostLocalConfig: Decodable, Equatable, Sendable {
  public var cniVersion: String?
  /// The main plugin's: its `bridge` matters where no subnet is given.
  public var type: String?
  public var bridge: InterfaceName?
  public var ipam: IPAM?
  public var runtimeConfig: Runtime?

  /// A configuration that says nothing but where the leases are.
  public init(dataDir: String) {
    ipam = IPAM(dataDir: dataDir.isEmpty ? nil : dataDir)
  }

  enum CodingKeys: String, CodingKey {
    case cniVersion = "cniversion"
    case type, bridge, ipam
    case runtimeConfig = "runtimeconfig"
  }

  public struct Runtime: Decodable, Equatable, Sendable {
    /// Range sets that come before the configured ones.
    public var ipRanges: [[RangeConfig]]?

    enum CodingKeys: String, CodingKey { case ipRanges = "ipranges" }
  }

  public struct IPAM: Decodable, Equatable, Sendable {
    /// `subnet`, `rangeStart`, `rangeEnd`, `gateway` written beside `type`, as before there were `ranges`.
    public var legacy: RangeConfig
    public var ranges: [[RangeConfig]]?
    public var routes: [Route]?
    /// Where the leases of all networks are; `nil`: `defaultDataDir`.
    public var dataDir: String?
    /// A file in the form of `resolv.conf(5)`, whose settings go into the result.
    public var resolvConf: String?
    /// Never handed out, whichever range they are in.
    public var exclude: [AddressSpan]?
    /// A container of the same name gets the address it had before.
    public var sticky: Bool?

    init(dataDir: String?) {
      legacy = RangeConfig()
      self.dataDir = dataDir
    }

    enum CodingKeys: String, CodingKey {
      case ranges, routes, exclude, sticky
      case dataDir = "datadir"
      case resolvConf = "resolvconf"
    }

    public init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      legacy = try RangeConfig(from: decoder)
      exclude = legacy.exclude
      legacy.exclude = nil  // beside `type` it counts for every range
      ranges = try container.decodeIfPresent([[RangeConfig]].self, forKey: .ranges)
      routes = try container.decodeIfPresent([Route].self, forKey: .routes)
      dataDir = try container.decodeIfPresent(String.self, forKey: .dataDir).flatMap { $0.isEmpty ? nil : $0 }
      resolvConf = try container.decodeIfPresent(String.self, forKey: .resolvConf).flatMap { $0.isEmpty ? nil : $0 }
      sticky = try container.decodeIfPresent(Bool.self, forKey: .sticky)
    }
  }

  public static let defaultDataDir = "/var/lib/cni/networks"

  public var dataDir: String { ipam?.dataDir ?? Self.defaultDataDir }
}

/// One range as it is written.
public struct RangeConfig: Decodable, Equatable, Sendable {
  public var subnet: SubnetSource?
  public var rangeStart: IPAddress?
  public var rangeEnd: IPAddress?
  public var gateway: IPAddress?
  public var exclude: [AddressSpan]?

  enum CodingKeys: String, CodingKey {
    case subnet, gateway, exclude
    case rangeStart = "rangestart"
    case rangeEnd = "rangeend"
  }

  public init(subnet: SubnetSource? = nil) { self.subnet = subnet }
}

/// A subnet as it is written: itself, or the wish for an unused one.
public enum SubnetSource: TextCodable {
  case fixed(IPPrefix)
  case automatic(IPFamily)

  public static let wanted = "a subnet such as 10.1.0.0/16 or fd00::/64, \"auto\" or \"auto-ipv6\""

  public init?(_ text: String) {
    switch text {
    case "auto": self = .automatic(.v4)
    case "auto-ipv6": self = .automatic(.v6)
    default:
      guard let prefix = IPPrefix(text) else { return nil }
      self = .fixed(prefix)
    }
  }

  public var description: String {
    switch self {
    case .fixed(let prefix): prefix.description
    case .automatic(.v4): "auto"
    case .automatic(.v6): "auto-ipv6"
    }
  }
}
