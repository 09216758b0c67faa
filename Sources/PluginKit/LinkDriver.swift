public import CNI
public import Kernel
public import NetTypes

/// The decisions of one main plugin: bridge, macvlan, ipvlan, ptp and others.
///
/// Making, checking and undoing the changes is the same for all such plugins: `MainPlugin`.
public protocol LinkDriver {
  associatedtype Config: JSONReadable & Sendable
  /// The configuration with every value checked.
  associatedtype Settings
  /// The present state of the host, as far as the plan depends on it.
  associatedtype HostState

  /// The executable's name.
  static var name: String { get }

  /// The kind of the container's link: `veth`, `macvlan`.
  static var linkKind: String { get }

  /// Another container's namespace that is used in place of the host's; `nil` for the host's.
  func peerNamespace(_ config: Config) -> PeerNamespace?

  /// The parent and addresses that a link takes from the previous plugin of the chain, whose result it then replaces.
  ///
  /// - Returns: `nil` for a link that is added to the previous result.
  /// - Throws: code 7 if the previous result does not fit.
  func chainInput(_ config: Config, _ previous: AddResult) throws(CNIError) -> ChainInput<Config>?

  /// Fills in data from the control plane (peers file or etcd).
  ///
  /// Called before `settings`, for ADD, CHECK and STATUS; changes nothing on the host.
  ///
  /// - Throws: code 11 if the control plane does not answer now; STATUS reports that as code 50.
  func withControlPlaneData<K: Kernel & ~Copyable>(
    _ config: Config, of network: NetworkName, for command: Command, on kernel: inout K
  ) throws(CNIError) -> Config

  /// Fills in placeholder data for VALIDATE, so that only errors that occur on every host are reported.
  ///
  /// By default the configuration is unchanged.
  func withPlaceholderData(_ config: Config) -> Config

  /// The input of the IPAM plugin for ADD, CHECK and STATUS; `nil` for this plugin's own input.
  func ipamInput(_ config: Config) -> JSONValue?

  /// Publishes the attachment to other hosts, after it is complete and before the result is written.
  ///
  /// - Throws: code 11 if that is not possible now; everything is then rolled back.
  func publish(_ config: Config, _ owner: AttachmentID, _ result: AddResult) throws(CNIError)

  /// Undoes `publish`, on DEL and on rollback of an ADD; no error if nothing was published.
  ///
  /// - Parameters:
  ///   - config: the configuration as it was read, without the data of `withControlPlaneData`.
  ///   - owner: the attachment.
  /// - Throws: code 11 if that is not possible now.
  func withdraw(_ config: Config, _ owner: AttachmentID) throws(CNIError)

  /// Undoes `publish` for attachments that are not in `valid`.
  ///
  /// - Throws: code 11 if that is not possible now.
  func withdrawOthers(
    _ config: Config, of network: NetworkName, valid: Set<ValidAttachments.Attachment>
  ) throws(CNIError)

  /// Checks everything that can be checked without the host.
  func settings(_ config: Config, _ keys: RuntimeKeys, _ arguments: CNIArguments) throws(CNIError) -> Settings

  /// Reads the present state of the host, without changing anything.
  func readHostState<K: Kernel & ~Copyable>(
    _ settings: Settings, owner: AttachmentID, at kernel: inout K
  ) throws(KernelError) -> HostState

  /// Computes all changes and the result from the facts, without access to the kernel.
  ///
  /// - Parameters:
  ///   - settings: the configuration.
  ///   - hostState: the present state of the host.
  ///   - owner: the attachment.
  ///   - namespacePath: the path of the container's namespace.
  ///   - addresses: the result of IPAM; for CHECK the one of ADD. Empty for a link without addresses, and for the
  ///     first of two plans if IPAM needs the link (DHCP): the second plan, with addresses and the same facts, has the
  ///     same link.
  /// - Returns: the changes and the CNI result.
  /// - Throws: code 7 for values that are not possible on this host.
  func plan(
    _ settings: Settings, _ hostState: HostState, owner: AttachmentID, namespacePath: String, addresses: AddResult
  ) throws(CNIError) -> AttachmentPlan

  /// The changes that DEL makes first, found by dumping the host's entries; none by default.
  ///
  /// - Throws: an error of the kernel; DEL reports it and makes the changes of `removal` nevertheless.
  func staleEntryRemoval<K: Kernel & ~Copyable>(
    of owner: AttachmentID, _ config: Config?, on kernel: inout K
  ) throws(KernelError) -> [Change]

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
  public func peerNamespace(_ config: Config) -> PeerNamespace? { nil }

  public func chainInput(_ config: Config, _ previous: AddResult) throws(CNIError) -> ChainInput<Config>? { nil }

  public func withControlPlaneData<K: Kernel & ~Copyable>(
    _ config: Config, of network: NetworkName, for command: Command, on kernel: inout K
  ) throws(CNIError) -> Config {
    config
  }

  public func staleEntryRemoval<K: Kernel & ~Copyable>(
    of owner: AttachmentID, _ config: Config?, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    []
  }

  public func withPlaceholderData(_ config: Config) -> Config { config }
  public func ipamInput(_ config: Config) -> JSONValue? { nil }
  public func publish(_ config: Config, _ owner: AttachmentID, _ result: AddResult) throws(CNIError) {}
  public func withdraw(_ config: Config, _ owner: AttachmentID) throws(CNIError) {}

  public func withdrawOthers(
    _ config: Config, of network: NetworkName, valid: Set<ValidAttachments.Attachment>
  ) throws(CNIError) {}
}

/// The values that a link takes from the previous plugin of the chain.
public struct ChainInput<Config> {
  /// The configuration, with these values filled in.
  public var config: Config
  /// The addresses; `nil` if IPAM gives them.
  public var addresses: AddResult?

  public init(config: Config, addresses: AddResult?) {
    self.config = config
    self.addresses = addresses
  }
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
