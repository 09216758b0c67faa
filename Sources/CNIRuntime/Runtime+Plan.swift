public import CNI
import NetTypes

/// What an attachment would do, and answer.
public struct AttachmentCommands: Equatable, Sendable {
  /// Shell commands and comments, in the order of the chain.
  public var lines: [String]
  public var result: ChainResult
}

extension Runtime {
  /// The commands that `add` would come to: ADD of every plugin with `CNI_PLAN=1`, which changes nothing.
  ///
  /// Each plugin is given the planned result of the one before it. Nothing is written to the cache.
  ///
  /// - Throws: code 7 for a plugin that does not know `CNI_PLAN`, before any is run; the error of the plugin that refuses.
  public func plan(
    _ list: NetworkList, _ attachment: NetworkAttachment
  ) throws(CNIError) -> AttachmentCommands {
    for plugin in list.plugins { try requirePlans(plugin, of: list) }
    var lines: [String] = []
    var last: ChainResult?
    do throws(CNIError) {
      for plugin in list.plugins {
        let input = try plugin.input(for: list, previous: last?.json, attachment)
        let output = try runner.run(plugin.type, word: "ADD", config: input, attachment: attachment, isPlan: true)
        let (planned, result) = try Self.split(output, of: plugin.type)
        last = try ChainResult(result, of: plugin.type, as: list.version)
        lines += ["# plugin \(plugin.type)"] + planned
      }
      guard let last else { throw CNIError(.invalidNetworkConfig, "network \(list.name): no plugins") }
      return AttachmentCommands(lines: lines, result: last)
    } catch { throw error.prefixed(with: "network \(list.name)") }
  }

  private func requirePlans(_ plugin: NetworkList.ConfiguredPlugin, of list: NetworkList) throws(CNIError) {
    _ = try runner.find(plugin.type)
    let isAsked = KeyTables.isKnown(plugin.type.description)
    if isAsked, let output = try? runner.run(plugin.type, word: "VALIDATE", config: plugin.input(for: list)),
      let answer = try? CNIJSON.decodeValue(output), answer["plans"] == .bool(true)
    {
      return
    }
    throw CNIError(
      .invalidNetworkConfig, "plan: plugin \(plugin.type) would change the host: want \(plugin.type) of this suite")
  }

  /// Lines, then the result in the last one.
  private static func split(
    _ output: [UInt8], of type: PluginType
  ) throws(CNIError) -> (lines: [String], result: [UInt8]) {
    let lines = String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
    let prefix = "# result "
    guard let last = lines.last, last.hasPrefix(prefix) else {
      throw CNIError(
        .decodingFailure, "plugin \(type) ADD with CNI_PLAN=1: want a line \"# result {…}\" as the last one")
    }
    return (lines.dropLast(), Array(last.dropFirst(prefix.count).utf8))
  }
}
