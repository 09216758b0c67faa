public import CNI
package import Kernel

/// The commands of a CNI plugin; `runPlugin` does the rest.
///
/// Environment, standard input, versions, names and the namespace are checked before these functions are called.
public protocol Plugin: ~Copyable {
  /// The keys of the network configuration that the plugin reads.
  associatedtype Config: JSONReadable & Sendable

  /// The executable's name.
  static var name: String { get }

  /// The namespaces that ADD and CHECK accept.
  static var namespaceRule: NamespaceRule { get }

  /// The parts for DEL of a configuration that cannot be read as a whole; by default nothing.
  static func partialConfig(_ configuration: JSONValue) -> Config?

  /// Whether this is an IPAM plugin: `ipam.type` is then its own name, not a delegate; by default not.
  static var isIPAMPlugin: Bool { get }

  /// Whether ADD and CHECK refuse an object with the same key twice; by default the last one counts.
  static var refusesRepeatedKeys: Bool { get }

  /// Whether the plugin has the key `policy`; by default ADD and CHECK refuse it, since it would limit nothing.
  static var limitsConnections: Bool { get }

  /// Another container's namespace that ADD and CHECK use too; by default none.
  func peerNamespace(_ config: Config) -> PeerNamespace?

  /// Checks everything in the configuration that needs no access to the host or other programs; by default nothing.
  func checkSettings(_ call: Call<Config>) throws(CNIError)

  /// Makes the attachment, then calls `commit` as its last step; any error, also of `commit`, rolls everything back.
  func add(_ call: Call<Config>, commit: Commit) throws(CNIError)

  /// Compares the attachment with the state after ADD.
  ///
  /// - Throws: one error with all differences.
  func check(_ call: Call<Config>) throws(CNIError)

  /// Removes everything of the attachment; continues after errors and throws them together at the end.
  func delete(_ removal: Removal<Config>) throws(CNIError)

  /// Removes everything of attachments that are not in `valid`; continues after errors.
  func collectGarbage(_ network: NetworkCall<Config>, valid: Set<ValidAttachments.Attachment>) throws(CNIError)

  /// Checks whether ADD can succeed now.
  ///
  /// - Throws: code 50 if it cannot, code 51 if existing attachments are affected too.
  func status(_ network: NetworkCall<Config>) throws(CNIError)
}

extension Plugin where Self: ~Copyable {
  public static var isIPAMPlugin: Bool { false }
  public static var refusesRepeatedKeys: Bool { false }
  public static var limitsConnections: Bool { false }

  public func peerNamespace(_ config: Config) -> PeerNamespace? { nil }

  public static func partialConfig(_ configuration: JSONValue) -> Config? { nil }

  public func checkSettings(_ call: Call<Config>) throws(CNIError) {}
}

/// Writes the result for the runtime; from then on the attachment is in use.
public typealias Commit = (AddResult) throws(CNIError) -> Void

/// The namespaces that a plugin accepts.
public enum NamespaceRule: Sendable {
  /// A container's namespace, never the plugin's own.
  case container
  /// Any `CNI_NETNS`, also an empty one; the plugin checks it itself.
  case any
}

/// ADD or CHECK of one attachment.
public struct Call<Config: Sendable> {
  public var owner: AttachmentID
  /// `CNI_NETNS`.
  public var namespacePath: String
  /// `CNI_ARGS` as given.
  public var argumentsText: String
  public var config: Config
  public var keys: RuntimeKeys
  /// `prevResult`: the result of the previous plugins of the chain; for CHECK, that of the whole chain's ADD.
  public var previous: AddResult?
  public var delegates: Delegates
  /// `nil` unless `CNI_LOG` is set.
  var journal: Journal?
  /// `nil` unless `CNI_PLAN=1` asks for commands in place of changes.
  package var plan: PlanOutput?

  public init(
    owner: AttachmentID, namespacePath: String, argumentsText: String = "", config: Config,
    keys: RuntimeKeys = RuntimeKeys(),
    previous: AddResult? = nil, delegates: Delegates
  ) {
    self.init(
      owner: owner, namespacePath: namespacePath, argumentsText: argumentsText, config: config, keys: keys,
      previous: previous, delegates: delegates, journal: nil)
  }

  init(
    owner: AttachmentID, namespacePath: String, argumentsText: String, config: Config, keys: RuntimeKeys,
    previous: AddResult?,
    delegates: Delegates, journal: Journal?
  ) {
    self.owner = owner
    self.namespacePath = namespacePath
    self.argumentsText = argumentsText
    self.config = config
    self.keys = keys
    self.previous = previous
    self.delegates = delegates
    self.journal = journal
  }

  /// - Throws: code 4 for pairs without `=` and for unknown keys.
  public func arguments() throws(CNIError) -> CNIArguments { try CNIArguments(argumentsText) }
}

/// DEL of one attachment: only the owner is certain to be given.
public struct Removal<Config: Sendable> {
  public var owner: AttachmentID
  /// `nil` if `CNI_NETNS` is empty, gone or the plugin's own.
  public var namespacePath: String?
  /// `nil` if the configuration has changed so that it can no longer be read.
  public var config: Config?
  /// `nil` if it is missing or cannot be read.
  public var previous: AddResult?
  public var delegates: Delegates
  var journal: Journal?

  public init(
    owner: AttachmentID, namespacePath: String?, config: Config?, previous: AddResult? = nil, delegates: Delegates
  ) {
    self.init(
      owner: owner, namespacePath: namespacePath, config: config, previous: previous, delegates: delegates, journal: nil
    )
  }

  init(
    owner: AttachmentID, namespacePath: String?, config: Config?, previous: AddResult?, delegates: Delegates,
    journal: Journal?
  ) {
    self.owner = owner
    self.namespacePath = namespacePath
    self.config = config
    self.previous = previous
    self.delegates = delegates
    self.journal = journal
  }
}

/// GC or STATUS of a whole network.
public struct NetworkCall<Config: Sendable> {
  public var name: NetworkName
  public var config: Config
  /// An IPv6 address or subnet for containers in the configuration.
  public var configuredIPv6: String?
  public var delegates: Delegates
  var journal: Journal?

  public init(name: NetworkName, config: Config, configuredIPv6: String? = nil, delegates: Delegates) {
    self.init(name: name, config: config, configuredIPv6: configuredIPv6, delegates: delegates, journal: nil)
  }

  init(name: NetworkName, config: Config, configuredIPv6: String?, delegates: Delegates, journal: Journal?) {
    self.name = name
    self.config = config
    self.configuredIPv6 = configuredIPv6
    self.delegates = delegates
    self.journal = journal
  }
}
