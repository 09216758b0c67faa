public import CNI
public import NetTypes

/// The part of a network configuration that `ipam-host-local` uses.
public struct HostLocalConfig: JSONReadable, Equatable, Sendable {
  public var cniVersion: String?
  /// The main plugin; its `bridge` is used if no subnet is given.
  public var type: String?
  public var bridge: InterfaceName?
  public var ipam: IPAM?
  /// The range sets of `runtimeConfig`, which come before the configured ones.
  public var ipRanges: [[RangeConfig]]?

  /// A configuration with nothing but the directory of the leases.
  public init(dataDir: String) {
    ipam = IPAM(dataDir: dataDir.isEmpty ? nil : dataDir)
  }

  public init(_ json: JSONReader) throws(CNIError) {
    cniVersion = try json.text("cniVersion")
    type = try json.text("type")
    bridge = try json.parsed("bridge")
    ipam = try json.object("ipam")
    ipRanges = try json["runtimeConfig"]?.rangeSets("ipRanges")
  }

  public struct IPAM: JSONReadable, Equatable, Sendable {
    /// `subnet`, `rangeStart`, `rangeEnd` and `gateway` directly in `ipam`, the old form without `ranges`.
    public var legacy: RangeConfig
    public var ranges: [[RangeConfig]]?
    public var routes: [Route]?
    /// The directory of all networks' leases; `nil`: `defaultDataDir`.
    public var dataDir: String?
    /// A file in the form of `resolv.conf(5)`; its settings become the result's `dns`.
    public var resolvConf: String?
    /// Addresses that are never handed out, in any range.
    public var exclude: [AddressSpan]?
    /// Whether a container gets the address that a container of the same name had before.
    public var sticky: Bool?

    init(dataDir: String?) {
      legacy = RangeConfig()
      self.dataDir = dataDir
    }

    public init(_ json: JSONReader) throws(CNIError) {
      legacy = try RangeConfig(json)
      exclude = legacy.exclude
      legacy.exclude = nil  // directly in `ipam`, `exclude` applies to every range
      ranges = try json.rangeSets("ranges")
      routes = try json.objects("routes")
      dataDir = try json.filledText("dataDir")
      resolvConf = try json.filledText("resolvConf")
      sticky = try json.flag("sticky")
    }
  }

  public static let defaultDataDir = "/var/lib/cni/networks"

  public var dataDir: String { ipam?.dataDir ?? Self.defaultDataDir }
}

/// One range as written.
public struct RangeConfig: JSONReadable, Equatable, Sendable {
  public var subnet: SubnetSource?
  public var rangeStart: IPAddress?
  public var rangeEnd: IPAddress?
  public var gateway: IPAddress?
  public var exclude: [AddressSpan]?

  public init(_ json: JSONReader) throws(CNIError) {
    subnet = try json.parsed("subnet")
    rangeStart = try json.parsed("rangeStart")
    rangeEnd = try json.parsed("rangeEnd")
    gateway = try json.parsed("gateway")
    exclude = try json.parsedList("exclude")
  }

  public init(subnet: SubnetSource? = nil) { self.subnet = subnet }
}

extension JSONReader {
  fileprivate func rangeSets(_ key: String) throws(CNIError) -> [[RangeConfig]]? {
    try list(key) { (set) throws(CNIError) in
      var ranges: [RangeConfig] = []
      for range in try set.elements() { ranges.append(try range.object()) }
      return ranges
    }
  }
}

/// A subnet as written: a prefix, or a request for an unused subnet.
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
