public import CNI
public import Kernel
public import NetTypes

/// The configuration of a plugin for one kind of link on top of a parent, such as `macvlan`.
public protocol ChildLinkConfig: JSONReadable, Sendable {
  /// The executable's name, and the kernel's name for that kind of link.
  static var name: String { get }

  var common: MasterConfig { get }

  /// The kind-specific settings of the link.
  ///
  /// - Throws: code 7 for a value that is not valid.
  func childLink() throws(CNIError) -> ChildLink

  /// The source of the container's MAC address.
  ///
  /// - Throws: code 2 or 7 for an address that this kind of link cannot have.
  func macSource(_ keys: RuntimeKeys, _ arguments: CNIArguments) throws(CNIError) -> MACSource

  /// Whether the MAC address of the existing link can be set.
  static var canSetAddress: Bool { get }

  /// Whether it has the key `policy`, and its value.
  static var limitsConnections: Bool { get }
  var policy: PolicyConfig? { get }
}

extension ChildLinkConfig {
  public static var canSetAddress: Bool { true }
  public static var limitsConnections: Bool { false }
  public var policy: PolicyConfig? { nil }
}

/// The source of a link's MAC address: its parent, the configuration, or a random one.
public enum MACSource: Equatable, Sendable {
  case parent
  case configured(MACAddress)
  case random
}

/// The keys of every link on top of a parent, as written; absent keys are `nil`.
public struct MasterConfig: Sendable {
  /// The parent; absent means the link of the default route.
  public let master: InterfaceName?
  /// Largest packet, in bytes; 0 means absent, as with the reference plugins: the parent's MTU.
  public let mtu: Int?
  /// Whether the parent is in the container.
  public let linkInContainer: Bool?
  public let enabledad: Bool?
  /// The priority of this network's default route; the highest one among the container's networks is used.
  public let gwPriority: Int?
  /// Whether the container accepts router advertisements on its link.
  public let routerAdvertisements: RouterAdvertisements
  /// Whether the configuration has an IPAM plugin.
  public let hasIPAM: Bool
  /// Whether the addresses come by the container's link.
  public let usesDHCP: Bool
  /// Whether the configuration itself has IPv6 addresses for the container.
  public let hasConfiguredIPv6: Bool

  public init(_ json: JSONReader) throws(CNIError) {
    master = try json.parsed("master")
    mtu = try json.integer("mtu")
    linkInContainer = try json.flag("linkInContainer")
    enabledad = try json.flag("enabledad")
    gwPriority = try json.integer("gwPriority")
    routerAdvertisements = try RouterAdvertisements(json)
    hasConfiguredIPv6 = json.configuredIPv6 != nil
    let ipam = try json["ipam"]?.nonEmptyText("type")
    hasIPAM = ipam != nil
    usesDHCP = ipam.flatMap(PluginType.init)?.needsLink ?? false
  }

  public var netns: NetNS { linkInContainer == true ? .container : .host }
}
