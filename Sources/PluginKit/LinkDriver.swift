public import CNI
public import Kernel
public import NetTypes

/// What one kind of main plugin makes: bridge, macvlan, ipvlan, ptp and others.
///
/// It only decides; how that is made, checked and taken back is the same for all: `MainPlugin`.
public protocol LinkDriver {
  associatedtype Config: JSONReadable & Sendable
  /// The configuration with every value checked.
  associatedtype Settings
  /// What a look at the host told.
  associatedtype Facts

  /// The executable's name.
  static var name: String { get }

  /// The kind of link the container gets: `veth`, `macvlan`.
  static var linkKind: String { get }

  /// The namespace that stands in the host's place, another container's; `nil` for the host's.
  func outside(_ config: Config) -> OutsideNamespace?

  /// What a link takes over from the plugin before it in the chain, whose place in the result it takes.
  ///
  /// - Returns: `nil` for a link that stands beside what was there before.
  /// - Throws: code 7 where that cannot be taken over.
  func inheritance(_ config: Config, _ previous: AddResult) throws(CNIError) -> Inheritance<Config>?

  /// The configuration with what somebody else knows of the network filled in: a control plane, a file for many hosts.
  ///
  /// Asked before `settings`, for ADD, CHECK and STATUS; nothing of the host is changed.
  ///
  /// - Throws: code 11 where it cannot be asked now; STATUS calls that code 50.
  func consult<K: Kernel & ~Copyable>(
    _ config: Config, of network: NetworkName, for command: Command, on kernel: inout K
  ) throws(CNIError) -> Config

  /// What VALIDATE goes by in place of `consult`: filled in so that whatever is refused is refused on every host.
  ///
  /// By default the configuration as it is.
  func assumed(_ config: Config) -> Config

  /// What the IPAM plugin reads for ADD, CHECK and STATUS; `nil`: what this one read.
  func addressConfiguration(_ config: Config) -> JSONValue?

  /// Tells others of the attachment, once it stands and before the result is written.
  ///
  /// - Throws: code 11 where they cannot be told now: all is taken back.
  func publish(_ config: Config, _ owner: Owner, _ result: AddResult) throws(CNIError)

  /// Takes back what `publish` told, on DEL and when an ADD is taken back; nothing happens where it told nothing.
  ///
  /// - Parameters:
  ///   - config: as it was read, not as `consult` filled it in.
  ///   - owner: whose attachment it is.
  /// - Throws: code 11 where they cannot be told now.
  func withdraw(_ config: Config, _ owner: Owner) throws(CNIError)

  /// Takes back what `publish` told of attachments that are not in `valid`.
  ///
  /// - Throws: code 11 where they cannot be told now.
  func withdrawOthers(
    _ config: Config, of network: NetworkName, valid: Set<ValidAttachments.Attachment>
  ) throws(CNIError)

  /// Pure: every refusal that needs no look at the host.
  func settings(_ config: Config, _ keys: RuntimeKeys, _ arguments: CNIArguments) throws(CNIError) -> Settings

  /// Looks, without changing anything.
  func look<K: Kernel & ~Copyable>(
    _ settings: Settings, owner: Owner, at kernel: inout K
  ) throws(KernelError) -> Facts

  /// Pure: every name, address, route and remaining refusal is decided here.
  ///
  /// - Parameters:
  ///   - settings: the configuration.
  ///   - facts: the host.
  ///   - owner: whose attachment it is.
  ///   - namespacePath: where the container's interface goes.
  ///   - addresses: what IPAM answered, or on CHECK what it had answered; empty for a link without addresses, and for one
  ///     through which IPAM is still to be asked: that is planned again from the same facts, and so is the same link.
  /// - Returns: what to do and what to answer.
  /// - Throws: code 7 for what cannot be on this host.
  func plan(
    _ settings: Settings, _ facts: Facts, owner: Owner, namespacePath: String, addresses: AddResult
  ) throws(CNIError) -> AttachmentPlan

  /// What DEL removes first, found by listing the host's entries; none by default.
  ///
  /// - Throws: what the kernel said; DEL then reports that and carries out `removal` all the same.
  func strays<K: Kernel & ~Copyable>(
    of owner: Owner, _ config: Config?, on kernel: inout K
  ) throws(KernelError) -> [Change]

  /// What DEL removes on the host, sure of nothing but whose it is; `config` is `nil` where it can no longer be read.
  func removal<K: Kernel & ~Copyable>(
    of owner: Owner, _ config: Config?, on kernel: inout K
  ) throws(KernelError) -> [Change]

  /// What GC removes on the host.
  func garbage<K: Kernel & ~Copyable>(
    of network: NetworkName, _ config: Config, valid: Set<ValidAttachments.Attachment>, on kernel: inout K
  ) throws(KernelError) -> [Change]

  /// Why no ADD could succeed now; `nil` where one could.
  func obstacle<K: Kernel & ~Copyable>(_ config: Config, on kernel: inout K) throws(KernelError) -> String?
}

extension LinkDriver {
  public func outside(_ config: Config) -> OutsideNamespace? { nil }

  public func inheritance(_ config: Config, _ previous: AddResult) throws(CNIError) -> Inheritance<Config>? { nil }

  public func consult<K: Kernel & ~Copyable>(
    _ config: Config, of network: NetworkName, for command: Command, on kernel: inout K
  ) throws(CNIError) -> Config {
    config
  }

  public func strays<K: Kernel & ~Copyable>(
    of owner: Owner, _ config: Config?, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    []
  }

  public func assumed(_ config: Config) -> Config { config }
  public func addressConfiguration(_ config: Config) -> JSONValue? { nil }
  public func publish(_ config: Config, _ owner: Owner, _ result: AddResult) throws(CNIError) {}
  public func withdraw(_ config: Config, _ owner: Owner) throws(CNIError) {}

  public func withdrawOthers(
    _ config: Config, of network: NetworkName, valid: Set<ValidAttachments.Attachment>
  ) throws(CNIError) {}
}

/// What a link took over from the plugin before it.
public struct Inheritance<Config> {
  /// The configuration, with what was taken over filled in.
  public var config: Config
  /// Addresses; `nil` where IPAM is to be asked.
  public var addresses: AddResult?

  public init(config: Config, addresses: AddResult?) {
    self.config = config
    self.addresses = addresses
  }
}

/// A namespace that stands in the host's place.
public struct OutsideNamespace: Equatable, Sendable {
  public var path: String
  /// The key of the configuration that names it.
  public var key: String

  public init(_ path: String, key: String) {
    self.path = path
    self.key = key
  }
}

/// The namespaces that a call works on.
public struct Namespaces: Equatable, Sendable {
  /// The container's; `nil` for a call that has none.
  public var container: String?
  /// What stands in the host's place; `nil` for the host's own.
  public var outside: String?

  public init(container: String?, outside: String? = nil) {
    self.container = container
    self.outside = outside
  }
}
