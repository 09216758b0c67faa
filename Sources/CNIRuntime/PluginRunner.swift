import CNI
import Linux
import NetTypes
import PluginKit

/// Finds plugins and runs them, one call at a time.
struct PluginRunner: Sendable {
  /// Searched in order.
  var directories: [String]
  /// How long a call may take before the plugin is killed.
  var timeoutSeconds: Int
  /// Gets what a plugin writes to its standard error.
  var diagnostics: @Sendable ([UInt8]) -> Void

  /// - Throws: code 7 if no directory has the plugin.
  func find(_ type: PluginType) throws(CNIError) -> PluginProcess {
    guard let plugin = PluginProcess(type, in: directories) else {
      throw CNIError(
        .invalidNetworkConfig, "no plugin \"\(type)\" in \(directories.joined(separator: ", "))",
        details: "install it there, or name its directory with --plugin-dir or CNI_PATH")
    }
    return plugin
  }

  /// Runs `type` with `config` on its standard input.
  ///
  /// `attachment` is `nil` for commands that are about the whole network.
  ///
  /// - Returns: what it printed.
  /// - Throws: the plugin's own error and code; 105 if it gave none or took too long.
  func run(
    _ type: PluginType, _ command: Command, config: [UInt8], attachment: NetworkAttachment? = nil
  ) throws(CNIError) -> [UInt8] {
    try run(type, word: command.rawValue, config: config, attachment: attachment)
  }

  /// Runs a command by its name, also one that is not in the specification; `isDryRun` sets `CNI_PLAN=1`.
  func run(
    _ type: PluginType, word command: String, config: [UInt8], attachment: NetworkAttachment? = nil,
    isDryRun: Bool = false
  ) throws(CNIError) -> [UInt8] {
    let plugin = try find(type)
    let output = try plugin.run(
      command, input: config, environment: environment(command, attachment, isDryRun: isDryRun),
      seconds: timeoutSeconds)
    if !output.errors.isEmpty { diagnostics(output.errors) }
    guard output.status == 0 else { throw plugin.error(in: output, of: command, prefix: "plugin \(type) \(command)") }
    return output.output
  }

  private func environment(_ command: String, _ attachment: NetworkAttachment?, isDryRun: Bool) -> [String] {
    let own: [(String, String)] = [
      ("CNI_COMMAND", command),
      ("CNI_CONTAINERID", attachment?.owner.container.description ?? ""),
      ("CNI_NETNS", attachment?.namespacePath ?? ""),
      ("CNI_ARGS", attachment?.argumentsText ?? ""),
      ("CNI_IFNAME", attachment?.owner.interface.description ?? ""),
      ("CNI_PATH", directories.joined(separator: ":")),
    ]
    // CNI variables in the environment of `cnictl` must not change the call.
    let replaced = own.map(\.0) + ["CNI_PLAN"]
    let inherited = Environment.all.filter { variable in !replaced.contains { variable.hasPrefix("\($0)=") } }
    return inherited + own.map { "\($0.0)=\($0.1)" } + (isDryRun ? ["CNI_PLAN=1"] : [])
  }
}
