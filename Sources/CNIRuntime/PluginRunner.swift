import CNI
import Glibc
import Linux
import NetTypes

/// Finds plugins and runs them, one call at a time.
struct PluginRunner: Sendable {
  /// Searched in order.
  var directories: [String]
  /// How long a call may take before the plugin is killed.
  var timeoutSeconds: Int
  /// Gets what a plugin writes to its standard error.
  var diagnostics: @Sendable ([UInt8]) -> Void

  /// - Throws: code 7 where no directory has the plugin.
  func find(_ type: PluginType) throws(CNIError) -> String {
    for directory in directories where !directory.isEmpty {
      let path = "\(directory)/\(type)"
      // What cannot be opened cannot be run: the next directory may have it.
      if let status = try? Files.status(path), status.isRegular { return path }
    }
    throw CNIError(
      .invalidNetworkConfig, "no plugin \"\(type)\" in \(directories.joined(separator: ", "))",
      details: "install it there, or name its directory with --plugin-dir or CNI_PATH")
  }

  /// Runs `type` with `config` on its standard input.
  ///
  /// `attachment` is `nil` for commands that are about the whole network.
  ///
  /// - Returns: what it printed.
  /// - Throws: the plugin's own error and code; 105 where it gave none or took too long.
  func run(
    _ type: PluginType, _ command: Command, config: [UInt8], attachment: NetworkAttachment? = nil
  ) throws(CNIError) -> [UInt8] {
    try run(type, word: command.rawValue, config: config, attachment: attachment)
  }

  /// The same for a command that the specification does not have; `isDryRun` sets `CNI_PLAN=1`.
  func run(
    _ type: PluginType, word command: String, config: [UInt8], attachment: NetworkAttachment? = nil,
    isDryRun: Bool = false
  ) throws(CNIError) -> [UInt8] {
    let path = try find(type)
    let environment = environment(command, attachment, isDryRun: isDryRun)
    // A plugin may end without reading its input; that must not end this process.
    StandardStreams.ignoreBrokenPipes()
    let answer: ChildOutput
    do throws(KernelError) {
      answer = try retryWhileBusy { () throws(KernelError) in
        try ChildProcess.run(path, environment: environment, input: config, seconds: timeoutSeconds)
      }
    } catch {
      let timedOut = error.errno == .ETIMEDOUT
      throw CNIError(
        .delegateFailed, "plugin \(type) \(command)",
        details: timedOut ? "\(path) did not end within \(timeoutSeconds) s and was killed" : "\(error)")
    }
    if !answer.errors.isEmpty { diagnostics(answer.errors) }
    guard answer.status == 0 else { throw refusal(type, command, answer) }
    return answer.output
  }

  /// An executable that is being installed answers ETXTBSY for a moment.
  private func retryWhileBusy(_ body: () throws(KernelError) -> ChildOutput) throws(KernelError) -> ChildOutput {
    for _ in 0..<5 {
      do throws(KernelError) { return try body() } catch {
        guard error.isTextFileBusy else { throw error }
        Clock.sleep(milliseconds: 200)
      }
    }
    return try body()
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
    // What was set for `cnictl` must not keep a plugin from its work.
    let replaced = own.map(\.0) + ["CNI_PLAN"]
    let inherited = Environment.all.filter { variable in !replaced.contains { variable.hasPrefix("\($0)=") } }
    return inherited + own.map { "\($0.0)=\($0.1)" } + (isDryRun ? ["CNI_PLAN=1"] : [])
  }

  private func refusal(_ type: PluginType, _ command: String, _ answer: ChildOutput) -> CNIError {
    let what = "plugin \(type) \(command)"
    // What is no error of the specification is quoted below as it is.
    if let error = try? CNIJSON.decode(PrintedError.self, from: answer.output), let message = error.message {
      return CNIError(error.code ?? .delegateFailed, message, details: error.details).prefixed(with: what)
    }
    let pluginOutput = [answer.errors, answer.output].map(oneLine).first { !$0.isEmpty } ?? "it printed nothing"
    return CNIError(.delegateFailed, "\(what): ended with status \(answer.status)", details: pluginOutput)
  }
}

/// The text, its lines joined, at most 500 characters of it.
private func oneLine(_ bytes: [UInt8]) -> String {
  let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
  return String(lines.joined(separator: " ").prefix(500))
}
