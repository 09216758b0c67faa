public import CNI

/// The plugins this one may call (spec section 4), and how.
public struct Delegates {
  /// `ipam.type`; `nil` for a network without addresses.
  public var ipam: PluginType?
  private var run: (PluginType, Command) throws(CNIError) -> AddResult?

  /// - Parameters:
  ///   - ipam: the plugin that hands out addresses.
  ///   - run: runs a plugin; its result for ADD, `nil` for the others.
  public init(ipam: PluginType?, run: @escaping (PluginType, Command) throws(CNIError) -> AddResult?) {
    self.ipam = ipam
    self.run = run
  }

  /// Asks the IPAM plugin for addresses; the empty result where the network has none.
  ///
  /// Where it refuses, it is told to DEL before its error is passed on.
  public func requestAddresses() throws(CNIError) -> AddResult {
    guard let ipam else { return AddResult() }
    do throws(CNIError) {
      return try run(ipam, .add) ?? AddResult()
    } catch {
      try? forward(.del)  // the error to tell is ADD's
      throw error
    }
  }

  /// Passes CHECK, DEL, GC or STATUS on to the IPAM plugin, if there is one.
  public func forward(_ command: Command) throws(CNIError) {
    guard let ipam else { return }
    _ = try run(ipam, command)
  }
}
