public import CNI
public import Kernel
public import NetTypes

/// What a plugin for one kind of link on top of another reads and decides; everything else is the same for all.
public protocol UpperConfig: JSONReadable, Sendable {
  /// The executable's name, and the kernel's for that kind of link.
  static var name: String { get }

  var common: MasterConfig { get }

  /// What the link is to its master.
  ///
  /// - Throws: code 7 for a value that cannot be.
  func upper() throws(CNIError) -> UpperLink

  /// The container's hardware address.
  ///
  /// - Throws: code 2 or 7 for one that this kind of link cannot have.
  func hardwareAddress(_ keys: RuntimeKeys, _ arguments: CNIArguments) throws(CNIError) -> HardwareAddress

  /// Whether the link's hardware address can be set once it is there.
  static var canSetAddress: Bool { get }

  /// See `LinkDriver.inheritance`.
  func inheritance(_ previous: AddResult) throws(CNIError) -> Inheritance<Self>?
}

extension UpperConfig {
  public static var canSetAddress: Bool { true }

  public func inheritance(_ previous: AddResult) throws(CNIError) -> Inheritance<Self>? { nil }
}

/// Where a link's hardware address comes from.
public enum HardwareAddress: Equatable, Sendable {
  case masters
  case given(MACAddress)
  case drawn
}

/// The keys of every link on top of another, as written; absent keys are `nil`.
public struct MasterConfig: Sendable {
  /// The link underneath; absent: the one that the default route leaves by.
  public var master: InterfaceName?
  /// Largest packet, in bytes; 0 means absent, as with the reference plugins: the master's.
  public var mtu: Int?
  /// Whether the master is in the container.
  public var linkInContainer: Bool?
  public var enabledad: Bool?
  /// Of several networks' default routes the one with the highest priority counts.
  public var gwPriority: Int?
  /// Whether the container listens to routers on its link.
  public var routerAdvertisements: RouterAdvertisements
  /// Whether the container gets addresses from a plugin of its own.
  public var hasIPAM: Bool
  /// Whether the configuration itself has IPv6 addresses for it.
  public var givesIPv6: Bool

  public init(_ json: JSONReader) throws(CNIError) {
    master = try json.parsed("master")
    mtu = try json.integer("mtu")
    linkInContainer = try json.flag("linkInContainer")
    enabledad = try json.flag("enabledad")
    gwPriority = try json.integer("gwPriority")
    routerAdvertisements = try RouterAdvertisements(json)
    givesIPv6 = json.givenIPv6 != nil
    hasIPAM = try json["ipam"]?.filledText("type") != nil
  }

  public var side: Side { linkInContainer == true ? .container : .host }
}
