public import CNI
public import Kernel
public import NetTypes

/// What one kind of chained plugin changes: `portmap`, `firewall`.
///
/// It only decides; how that is made, checked and taken back is the same for all: `ChainedPlugin`.
public protocol ChainDriver {
  associatedtype Config: ChainConfig
  /// The configuration with every value checked.
  associatedtype Settings

  /// The executable's name.
  static var name: String { get }

  /// Pure: every refusal that needs no look at the host.
  func settings(_ call: Call<Config>) throws(CNIError) -> Settings

  /// Looks at the host, changes nothing and decides everything.
  ///
  /// - Parameters:
  ///   - settings: the configuration.
  ///   - owner: whose attachment it is.
  ///   - previous: what the plugins before this one made.
  ///   - kernel: the host.
  /// - Returns: what to do and what to answer.
  /// - Throws: code 7 for what cannot be on this host.
  func plan<K: Kernel & ~Copyable>(
    _ settings: Settings, owner: Owner, previous: AddResult, on kernel: inout K
  ) throws(CNIError) -> ChainPlan

  /// What an ADD with these settings has left on the host; by default what it would do now.
  func expectation<K: Kernel & ~Copyable>(
    _ settings: Settings, owner: Owner, previous: AddResult, on kernel: inout K
  ) throws(CNIError) -> [Change]

  /// What DEL removes; `config` is `nil` where it can no longer be read.
  ///
  /// What is gone is left out.
  ///
  /// - Throws: a passing error, after which DEL is repeated: it must not count as gone.
  func removal<K: Kernel & ~Copyable>(
    of owner: Owner, _ config: Config?, on kernel: inout K
  ) throws(KernelError) -> [Change]

  /// What DEL removes; `previous` is `nil` where it is missing or cannot be read.
  func removal<K: Kernel & ~Copyable>(
    of owner: Owner, _ config: Config?, after previous: AddResult?, on kernel: inout K
  ) throws(KernelError) -> [Change]

  /// What GC removes.
  func garbage<K: Kernel & ~Copyable>(
    of network: NetworkName, _ config: Config, valid: Set<Owner>, on kernel: inout K
  ) throws(KernelError) -> [Change]

  /// Why no ADD could succeed now; `nil` where one could.
  func obstacle<K: Kernel & ~Copyable>(_ config: Config, on kernel: inout K) throws(KernelError) -> String?
}

extension ChainDriver {
  public func removal<K: Kernel & ~Copyable>(
    of owner: Owner, _ config: Config?, after previous: AddResult?, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    try removal(of: owner, config, on: &kernel)
  }

  public func expectation<K: Kernel & ~Copyable>(
    _ settings: Settings, owner: Owner, previous: AddResult, on kernel: inout K
  ) throws(CNIError) -> [Change] {
    try plan(settings, owner: owner, previous: previous, on: &kernel).changes
  }
}

/// The configuration of a chained plugin.
public protocol ChainConfig: JSONReadable, Sendable {
  /// For runtimes without chains; `nil` in a chain.
  var inner: InnerPlugin? { get }

  /// What DEL can use of a configuration that cannot be read as a whole; by default nothing.
  static func salvage(_ json: JSONReader) -> Self?
}

extension ChainConfig {
  public var inner: InnerPlugin? { nil }

  public static func salvage(_ json: JSONReader) -> Self? { nil }
}

/// All that a chained plugin's ADD will do.
public struct ChainPlan: Equatable, Sendable {
  public var changes: [Change]
  /// The answer to the runtime: what came in, with what this plugin adds.
  public var result: AddResult

  public init(_ changes: [Change], result: AddResult) {
    self.changes = changes
    self.result = result
  }
}
