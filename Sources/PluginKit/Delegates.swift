public import CNI

/// The plugins to which this one delegates (CNI specification, section 4).
public struct Delegates {
  /// `ipam.type`; `nil` for a network without addresses.
  public var ipam: PluginType?
  private var run: Run

  /// Runs a plugin with the given input or with our own; returns its result for ADD, `nil` for other commands.
  public typealias Run = (PluginType, Command, [UInt8]?) throws(CNIError) -> AddResult?

  /// - Parameters:
  ///   - ipam: the IPAM plugin.
  ///   - run: runs a plugin.
  public init(ipam: PluginType?, run: @escaping Run) {
    self.ipam = ipam
    self.run = run
  }

  /// Runs ADD of the IPAM plugin; returns an empty result if the network has none.
  ///
  /// If ADD fails, DEL of the IPAM plugin follows, unless the error means that the container has a lease already.
  ///
  /// - Parameter configuration: its input instead of ours.
  /// - Returns: its result.
  /// - Throws: its error, with its code.
  public func requestAddresses(_ configuration: JSONValue? = nil) throws(CNIError) -> AddResult {
    guard let ipam else { return AddResult() }
    do throws(CNIError) {
      return try run(ipam, .add, configuration?.bytes) ?? AddResult()
    } catch {
      if !error.isOfAnEarlierADD { try? forward(.del) }  // the error of ADD is thrown
      throw error
    }
  }

  /// Runs CHECK, DEL, GC or STATUS of the IPAM plugin, if there is one.
  ///
  /// - Parameters:
  ///   - command: the command.
  ///   - configuration: its input instead of ours.
  /// - Throws: its error, with its code.
  public func forward(_ command: Command, _ configuration: JSONValue? = nil) throws(CNIError) {
    guard let ipam else { return }
    _ = try run(ipam, command, configuration?.bytes)
  }

  /// Runs the plugin of the key `delegate`.
  ///
  /// If its ADD fails, its DEL follows, unless the error means that the container is attached already.
  ///
  /// - Returns: its result for ADD, an empty one for other commands.
  @discardableResult
  public func run(_ nestedPlugin: NestedPlugin, _ command: Command) throws(CNIError) -> AddResult {
    let input = nestedPlugin.configuration.bytes
    do throws(CNIError) {
      return try run(nestedPlugin.type, command, input) ?? AddResult()
    } catch {
      // ADD's error is thrown.
      if command == .add, !error.isOfAnEarlierADD { _ = try? run(nestedPlugin.type, .del, input) }
      throw error
    }
  }
}

extension CNIError {
  /// Whether the attachment existed before this ADD, so that DEL would remove it.
  fileprivate var isOfAnEarlierADD: Bool { code == .alreadyAttached }
}
