public import CNI

/// What a CNI plugin does for each command; `runPlugin` does the rest.
///
/// Environment, standard input, versions, names and the namespace have been checked before any of these is called.
public protocol Plugin: ~Copyable {
  /// Everything of the network configuration that the plugin reads.
  associatedtype Config: JSONReadable & Sendable

  /// The executable's name.
  static var name: String { get }

  /// Which namespaces ADD and CHECK take.
  static var namespaceRule: NamespaceRule { get }

  /// What DEL needs out of a configuration that cannot be read as a whole; by default nothing.
  static func salvage(_ configuration: JSONValue) -> Config?

  /// Whether `ipam.type` names this plugin, which then has no such delegate itself; by default not.
  static var handsOutAddresses: Bool { get }

  /// Whether ADD and CHECK refuse an object with the same key twice; by default the last one counts.
  static var refusesRepeatedKeys: Bool { get }

  /// Another container's namespace that ADD and CHECK work on as well; by default none.
  func outside(_ config: Config) -> OutsideNamespace?

  /// What ADD refuses of the configuration alone, before it looks at the host or asks anybody; by default nothing.
  func checkSettings(_ call: Call<Config>) throws(CNIError)

  /// Makes the attachment, then calls `commit` as its last step; where anything throws, `commit` too, takes all back.
  func add(_ call: Call<Config>, commit: Commit) throws(CNIError)

  /// - Throws: one error that names every difference between what ADD made and what is there.
  func check(_ call: Call<Config>) throws(CNIError)

  /// Removes all of the attachment that is there; goes on past failures and throws them together at the end.
  func delete(_ removal: Removal<Config>) throws(CNIError)

  /// Removes what belongs to attachments that are not in `valid`; goes on past failures.
  func collectGarbage(_ network: Network<Config>, valid: Set<ValidAttachments.Attachment>) throws(CNIError)

  /// - Throws: code 50 where an ADD could not succeed now, 51 where existing attachments suffer too.
  func status(_ network: Network<Config>) throws(CNIError)
}

extension Plugin where Self: ~Copyable {
  public static var handsOutAddresses: Bool { false }
  public static var refusesRepeatedKeys: Bool { false }

  public func outside(_ config: Config) -> OutsideNamespace? { nil }

  public static func salvage(_ configuration: JSONValue) -> Config? { nil }

  public func checkSettings(_ call: Call<Config>) throws(CNIError) {}
}

/// Hands the result to the runtime; from then on the attachment stands.
public typealias Commit = (AddResult) throws(CNIError) -> Void

/// Which namespaces a plugin works on.
public enum NamespaceRule: Sendable {
  /// A container's, never the plugin's own.
  case container
  /// Whatever the runtime says, an empty `CNI_NETNS` too; the plugin checks.
  case any
}

/// ADD or CHECK of one attachment.
public struct Call<Config: Sendable> {
  public var owner: Owner
  /// `CNI_NETNS`.
  public var namespacePath: String
  /// `CNI_ARGS` as given.
  public var argumentsText: String
  public var config: Config
  public var keys: RuntimeKeys
  /// What the plugins before this one in the chain made; on CHECK, what the chain's ADD answered.
  public var previous: AddResult?
  public var delegates: Delegates
  /// `nil` unless `CNI_LOG` asks for one.
  var journal: Journal?

  public init(
    owner: Owner, namespacePath: String, argumentsText: String = "", config: Config, keys: RuntimeKeys = RuntimeKeys(),
    previous: AddResult? = nil, delegates: Delegates
  ) {
    self.init(
      owner: owner, namespacePath: namespacePath, argumentsText: argumentsText, config: config, keys: keys,
      previous: previous, delegates: delegates, journal: nil)
  }

  init(
    owner: Owner, namespacePath: String, argumentsText: String, config: Config, keys: RuntimeKeys, previous: AddResult?,
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

/// DEL of one attachment: nothing but the owner is sure to be there.
public struct Removal<Config: Sendable> {
  public var owner: Owner
  /// `nil` where `CNI_NETNS` is empty, gone or the plugin's own.
  public var namespacePath: String?
  /// `nil` where the configuration has changed so that it can no longer be read.
  public var config: Config?
  /// `nil` where it is missing or cannot be read.
  public var previous: AddResult?
  public var delegates: Delegates
  var journal: Journal?

  public init(
    owner: Owner, namespacePath: String?, config: Config?, previous: AddResult? = nil, delegates: Delegates
  ) {
    self.init(
      owner: owner, namespacePath: namespacePath, config: config, previous: previous, delegates: delegates, journal: nil
    )
  }

  init(
    owner: Owner, namespacePath: String?, config: Config?, previous: AddResult?, delegates: Delegates, journal: Journal?
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
public struct Network<Config: Sendable> {
  public var name: NetworkName
  public var config: Config
  /// An IPv6 address or subnet that the configuration has for containers.
  public var givenIPv6: String?
  public var delegates: Delegates
  var journal: Journal?

  public init(name: NetworkName, config: Config, givenIPv6: String? = nil, delegates: Delegates) {
    self.init(name: name, config: config, givenIPv6: givenIPv6, delegates: delegates, journal: nil)
  }

  init(name: NetworkName, config: Config, givenIPv6: String?, delegates: Delegates, journal: Journal?) {
    self.name = name
    self.config = config
    self.givenIPv6 = givenIPv6
    self.delegates = delegates
    self.journal = journal
  }
}
