public import CNI

/// The plugins this one may call (spec section 4), and how.
public struct Delegates {
  /// `ipam.type`; `nil` for a network without addresses.
  public var ipam: PluginType?
  private var run: Run

  /// Runs a plugin, with the input given or with our own; its result for ADD, `nil` for the others.
  public typealias Run = (PluginType, Command, [UInt8]?) throws(CNIError) -> AddResult?

  /// - Parameters:
  ///   - ipam: the plugin that hands out addresses.
  ///   - run: how a plugin is run.
  public init(ipam: PluginType?, run: @escaping Run) {
    self.ipam = ipam
    self.run = run
  }

  /// Asks the IPAM plugin for addresses; the empty result where the network has none.
  ///
  /// Where it refuses, it is told to DEL before its error is passed on, unless the container has its lease already.
  ///
  /// - Parameter configuration: what it reads instead of our own.
  /// - Returns: what it answered.
  /// - Throws: its error, with its code.
  public func requestAddresses(_ configuration: JSONValue? = nil) throws(CNIError) -> AddResult {
    guard let ipam else { return AddResult() }
    do throws(CNIError) {
      return try run(ipam, .add, configuration?.bytes) ?? AddResult()
    } catch {
      if !error.isOfAnEarlierADD { try? forward(.del) }  // the error to tell is ADD's
      throw error
    }
  }

  /// Passes CHECK, DEL, GC or STATUS on to the IPAM plugin, if there is one.
  ///
  /// - Parameters:
  ///   - command: which.
  ///   - configuration: what it reads instead of our own.
  /// - Throws: its error, with its code.
  public func forward(_ command: Command, _ configuration: JSONValue? = nil) throws(CNIError) {
    guard let ipam else { return }
    _ = try run(ipam, command, configuration?.bytes)
  }

  /// Runs the plugin that does the main work of this one.
  ///
  /// Where its ADD is refused, it is told to DEL before its error is passed on, unless the container is attached already.
  ///
  /// - Returns: its result for ADD, the empty one for the others.
  @discardableResult
  public func run(_ inner: InnerPlugin, _ command: Command) throws(CNIError) -> AddResult {
    let input = inner.configuration.bytes
    do throws(CNIError) {
      return try run(inner.type, command, input) ?? AddResult()
    } catch {
      if command == .add, !error.isOfAnEarlierADD { _ = try? run(inner.type, .del, input) }  // ADD's error is told
      throw error
    }
  }
}

extension CNIError {
  /// Whether an attachment of the same names stands already, which a DEL would take down.
  fileprivate var isOfAnEarlierADD: Bool { code == .alreadyAttached }
}
