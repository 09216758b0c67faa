public import CNI
import NetTypes

/// The runtime's side of CNI: runs the plugins of a network for an attachment.
///
/// From the first plugin on, the process ignores SIGPIPE.
public struct Runtime: Sendable {
  public static let standardPluginDirectory = "/opt/cni/bin"

  public var cache: ResultCache
  let runner: PluginRunner

  /// - Parameters:
  ///   - pluginDirectories: searched in order.
  ///   - cache: where results are kept between calls.
  ///   - timeoutSeconds: how long one call of one plugin may take before it is killed.
  ///   - diagnostics: gets what plugins write to their standard error.
  public init(
    pluginDirectories: [String] = [Runtime.standardPluginDirectory], cache: ResultCache = ResultCache(),
    timeoutSeconds: Int = 120, diagnostics: @escaping @Sendable ([UInt8]) -> Void
  ) {
    self.cache = cache
    runner = PluginRunner(
      directories: pluginDirectories, timeoutSeconds: timeoutSeconds, diagnostics: diagnostics)
  }

  /// Attaches: ADD of every plugin in order, each given what the one before it answered.
  ///
  /// Where one refuses, DEL of every plugin follows, the last one first. The attachment is known before the first plugin
  /// runs, so that one that is interrupted can be detached. The caller holds its `NetworkLock`.
  ///
  /// - Throws: code 104 where the attachment stands already; the refusing plugin's error, with what could not be taken
  ///   back in the details.
  public func add(_ list: NetworkList, _ attachment: NetworkAttachment) throws(CNIError) -> ChainResult {
    for plugin in list.plugins { _ = try runner.find(plugin.type) }
    try begin(list, attachment)
    var last: ChainResult?
    do throws(CNIError) {
      for plugin in list.plugins {
        let input = try plugin.input(for: list, previous: last?.json, attachment)
        let output = try runner.run(plugin.type, .add, config: input, attachment: attachment)
        last = try ChainResult(output, of: plugin.type, as: list.version)
      }
      guard let last else { throw CNIError(.invalidNetworkConfig, "network \(list.name): no plugins") }
      try cache.write(ResultCache.Entry(attachment: attachment, config: list.bytes, result: last.json))
      return last
    } catch {
      var error = error.prefixed(with: "network \(list.name)")
      let leftovers = rollBack(list, attachment, previous: last?.json)
      if leftovers.isEmpty {
        try? cache.remove(attachment.owner)  // the first error is thrown
      } else {
        error.details += (error.details.isEmpty ? "" : "; ") + "taking it back: \(leftovers.joined(separator: "; "))"
      }
      throw error
    }
  }

  /// Writes it down; what an interrupted call left of it goes first.
  private func begin(_ list: NetworkList, _ attachment: NetworkAttachment) throws(CNIError) {
    let owner = attachment.owner
    if let before = try cache.entry(owner) {
      // Its rollback would take down what stands.
      guard before.isUnfinished else {
        throw CNIError(
          .alreadyAttached,
          "container \(owner.container) is already on network \(owner.network) as \(owner.interface)",
          details: "disconnect it first")
      }
      try delete(try NetworkList(before.config), before.attachment)
    }
    var entry = ResultCache.Entry(attachment: attachment, config: list.bytes)
    entry.isUnfinished = true
    try cache.write(entry)
  }

  /// What went wrong on the way back; goes on past failures.
  private func rollBack(_ list: NetworkList, _ attachment: NetworkAttachment, previous: JSONValue?) -> [String] {
    list.plugins.reversed().compactMap { plugin in
      do throws(CNIError) {
        let input = try plugin.input(for: list, previous: list.version >= .v0_4_0 ? previous : nil, attachment)
        _ = try runner.run(plugin.type, .del, config: input, attachment: attachment)
        return nil
      } catch {
        return error.text
      }
    }
  }

  /// Detaches: DEL of every plugin, the last one first, with the result that ADD gave.
  ///
  /// Stops at the first that refuses (spec section 3): a later plugin's rules must be gone before the address is free.
  /// The attachment stays known then, so that DEL can be repeated.
  public func delete(_ list: NetworkList, _ attachment: NetworkAttachment) throws(CNIError) {
    // A result that cannot be read any more is no reason to keep the attachment.
    let cached = try? cache.entry(attachment.owner)
    let previous = list.version >= .v0_4_0 ? try? cached?.result(as: list.version) : nil
    for plugin in list.plugins.reversed() {
      let input = try plugin.input(for: list, previous: previous, attachment)
      do throws(CNIError) {
        _ = try runner.run(plugin.type, .del, config: input, attachment: attachment)
      } catch {
        throw error.prefixed(with: "network \(list.name)")
      }
    }
    try cache.remove(attachment.owner)
  }
}
