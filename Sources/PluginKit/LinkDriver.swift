public import CNI
public import Kernel
public import NetTypes
public import PacketFilter

/// The decisions of one main plugin: bridge, macvlan, ipvlan, ptp and others.
///
/// Making, checking and undoing the changes is the same for all such plugins: `MainPlugin`.
public protocol LinkDriver {
  associatedtype Config: JSONReadable & Sendable
  /// What the settings are made from: the configuration, and for an overlay what its control plane says.
  ///
  /// `MainPlugin` is a whole plugin if it is the configuration alone.
  associatedtype Input = Config
  /// The configuration with every value checked.
  associatedtype Settings
  /// The present state of the host, as far as the plan depends on it.
  associatedtype HostState

  /// The executable's name.
  static var name: String { get }

  /// Whether it has the key `policy`; by default not.
  static var limitsConnections: Bool { get }

  /// The kind of the container's link: `veth`, `macvlan`.
  static var linkKind: String { get }

  /// Checks everything that can be checked without the host.
  func settings(_ input: Input, _ keys: RuntimeKeys, _ arguments: CNIArguments) throws(CNIError) -> Settings

  /// Reads the present state of the host, without changing anything.
  ///
  /// What only one family needs is not read without it; both are given if the addresses are not known yet.
  func readHostState<K: Kernel & ~Copyable>(
    _ settings: Settings, owner: AttachmentID, families: Set<IPFamily>, at kernel: inout K
  ) throws(KernelError) -> HostState

  /// The host's links on which packets of all containers of the network arrive: what policies take for the network.
  ///
  /// Empty if each container has a link of its own, or none.
  func networkLinks(_ settings: Settings, of network: NetworkName) -> [InterfaceName]

  /// The network's part on other hosts, for policies here; `nil` if it has none.
  func farNetwork(_ settings: Settings, of network: NetworkName) -> FarNetwork?

  /// Computes all changes and the result from the host state, without access to the kernel.
  ///
  /// - Parameters:
  ///   - settings: the configuration.
  ///   - hostState: the present state of the host.
  ///   - owner: the attachment.
  ///   - namespacePath: the path of the container's namespace.
  ///   - addresses: the result of IPAM; for CHECK the one of ADD. Empty for a link without addresses, and for the
  ///     first of two plans if IPAM needs the link (DHCP): the second plan, with addresses and the same host
  ///     state, has the same link.
  /// - Returns: the changes and the CNI result.
  /// - Throws: code 7 for values that are not possible on this host.
  func plan(
    _ settings: Settings, _ hostState: HostState, owner: AttachmentID, namespacePath: String, addresses: AddResult
  ) throws(CNIError) -> AttachmentPlan

  /// The changes for DEL on the host; only the owner is certain. `config` is `nil` if it can no longer be read.
  func removal<K: Kernel & ~Copyable>(
    of owner: AttachmentID, _ config: Config?, on kernel: inout K
  ) throws(KernelError) -> [Change]

  /// The changes for GC on the host.
  func garbage<K: Kernel & ~Copyable>(
    of network: NetworkName, _ config: Config, valid: Set<ValidAttachments.Attachment>, on kernel: inout K
  ) throws(KernelError) -> [Change]

  /// Why ADD cannot succeed now; `nil` if it can.
  func obstacle<K: Kernel & ~Copyable>(_ config: Config, on kernel: inout K) throws(KernelError) -> String?
}

extension LinkDriver {
  public static var limitsConnections: Bool { false }

  public func networkLinks(_ settings: Settings, of network: NetworkName) -> [InterfaceName] { [] }

  public func farNetwork(_ settings: Settings, of network: NetworkName) -> FarNetwork? { nil }
}

/// What a link takes from the previous plugin of the chain, whose result it then replaces.
public struct ChainInput<Settings> {
  /// The settings, with the previous result's values.
  public var settings: Settings
  /// The addresses; `nil` if IPAM gives them.
  public var addresses: AddResult?

  public init(settings: Settings, addresses: AddResult?) {
    self.settings = settings
    self.addresses = addresses
  }
}

/// Where the addresses of an attachment come from.
public enum AddressSource {
  /// The IPAM plugin, with that input; `nil` for the plugin's own input.
  case ipam(input: JSONValue?)
  /// The previous plugin of the chain.
  case previous(AddResult)
}

/// A namespace that is used in place of the host's.
public struct PeerNamespace: Equatable, Sendable {
  public var path: String
  /// The configuration key of the path.
  public var key: String

  public init(_ path: String, key: String) {
    self.path = path
    self.key = key
  }
}

/// The namespaces of a call.
public struct NamespacePaths: Equatable, Sendable {
  /// The container's namespace; `nil` for a call without one.
  public var container: String?
  /// The namespace that is used in place of the host's; `nil` for the host's own.
  public var peerPath: String?

  public init(container: String?, peerPath: String? = nil) {
    self.container = container
    self.peerPath = peerPath
  }
}
