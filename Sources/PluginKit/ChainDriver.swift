public import CNI
public import Kernel
public import NetTypes

/// The decisions of one chained plugin, such as `portmap` or `firewall`.
///
/// Making, checking and undoing the changes is the same for all such plugins: `ChainedPlugin`.
public protocol ChainDriver {
  associatedtype Config: ChainConfig
  /// The configuration with every value checked.
  associatedtype Settings

  /// The executable's name.
  static var name: String { get }

  /// Whether it has the key `policy`; by default not.
  static var limitsConnections: Bool { get }

  /// Checks everything that can be checked without the host.
  func settings(_ call: Call<Config>) throws(CNIError) -> Settings

  /// Computes all changes from the present state of the host, without changing anything.
  ///
  /// - Parameters:
  ///   - settings: the configuration.
  ///   - owner: the attachment.
  ///   - previous: `prevResult`.
  ///   - kernel: the host.
  /// - Returns: the changes and the CNI result.
  /// - Throws: code 7 for values that are not possible on this host.
  func plan<K: Kernel & ~Copyable>(
    _ settings: Settings, owner: AttachmentID, previous: AddResult, on kernel: inout K
  ) throws(CNIError) -> ChainPlan

  /// The host's links on which packets of all containers of the network arrive, as far as `previous` tells; by default none.
  func networkLinks<K: Kernel & ~Copyable>(
    of previous: AddResult, on kernel: inout K
  ) throws(KernelError) -> [InterfaceName]

  /// The changes that CHECK expects on the host; by default those that ADD would make now.
  func expectation<K: Kernel & ~Copyable>(
    _ settings: Settings, owner: AttachmentID, previous: AddResult, on kernel: inout K
  ) throws(CNIError) -> [Change]

  /// The changes for DEL; `config` is `nil` if it can no longer be read.
  ///
  /// Things that do not exist are left out.
  ///
  /// - Throws: an error that may pass: DEL then fails and is repeated, instead of taking the thing as gone.
  func removal<K: Kernel & ~Copyable>(
    of owner: AttachmentID, _ config: Config?, on kernel: inout K
  ) throws(KernelError) -> [Change]

  /// The changes for DEL; `previous` is `nil` if it is missing or cannot be read.
  func removal<K: Kernel & ~Copyable>(
    of owner: AttachmentID, _ config: Config?, after previous: AddResult?, on kernel: inout K
  ) throws(KernelError) -> [Change]

  /// The changes for GC.
  func garbage<K: Kernel & ~Copyable>(
    of network: NetworkName, _ config: Config, valid: Set<AttachmentID>, on kernel: inout K
  ) throws(KernelError) -> [Change]

  /// Why ADD cannot succeed now; `nil` if it can.
  func obstacle<K: Kernel & ~Copyable>(_ config: Config, on kernel: inout K) throws(KernelError) -> String?
}

extension ChainDriver {
  public func networkLinks<K: Kernel & ~Copyable>(of previous: AddResult, on kernel: inout K) -> [InterfaceName] { [] }

  public static var limitsConnections: Bool { false }

  public func removal<K: Kernel & ~Copyable>(
    of owner: AttachmentID, _ config: Config?, after previous: AddResult?, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    try removal(of: owner, config, on: &kernel)
  }

  public func expectation<K: Kernel & ~Copyable>(
    _ settings: Settings, owner: AttachmentID, previous: AddResult, on kernel: inout K
  ) throws(CNIError) -> [Change] {
    try plan(settings, owner: owner, previous: previous, on: &kernel).changes
  }
}

/// The configuration of a chained plugin.
public protocol ChainConfig: JSONReadable, Sendable {
  /// The plugin to delegate to, for runtimes without plugin chains; `nil` in a chain.
  var nestedPlugin: NestedPlugin? { get }

  /// The parts for DEL of a configuration that cannot be read as a whole; by default nothing.
  static func partialConfig(_ json: JSONReader) -> Self?
}

extension ChainConfig {
  public var nestedPlugin: NestedPlugin? { nil }

  public static func partialConfig(_ json: JSONReader) -> Self? { nil }
}

/// All changes of a chained plugin's ADD.
public struct ChainPlan: Equatable, Sendable {
  public var changes: [Change]
  /// The CNI result: `prevResult` with this plugin's additions.
  public var result: AddResult

  public init(_ changes: [Change], result: AddResult) {
    self.changes = changes
    self.result = result
  }
}
