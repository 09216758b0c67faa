public import CNI
public import Linux
import NetTypes

/// A CNI plugin that is run as a process: a delegate of another plugin, or a plugin of a network list.
public struct PluginProcess: Sendable {
  public let type: PluginType
  public let path: String

  /// Finds the executable; `nil` if no directory has it.
  ///
  /// - Parameters:
  ///   - type: its file name.
  ///   - directories: searched in this order, as in `CNI_PATH`; empty names are skipped.
  public init?(_ type: PluginType, in directories: [String]) {
    // What cannot be looked at cannot be run: the next directory may have it.
    let paths = directories.filter { !$0.isEmpty }.map { "\($0)/\(type)" }
    guard let path = paths.first(where: { (try? Files.status($0))?.isRegular == true }) else { return nil }
    self.type = type
    self.path = path
  }

  /// Runs it to its end.
  ///
  /// - Parameters:
  ///   - command: what `environment` has as `CNI_COMMAND`; for error messages.
  ///   - input: the configuration.
  ///   - environment: all its variables, each as `NAME=value`.
  ///   - seconds: the time limit, after which it is killed.
  /// - Returns: its exit status and what it printed.
  /// - Throws: code 105 if it cannot be started or did not end in time.
  public func run(
    _ command: String, input: [UInt8], environment: [String], seconds: Int
  ) throws(CNIError) -> ChildOutput {
    // A plugin may end without reading its input; that must not end this process.
    StandardStreams.ignoreBrokenPipes()
    do throws(KernelError) {
      return try retryWhileBusy { () throws(KernelError) in
        try ChildProcess.run(path, environment: environment, input: input, seconds: seconds)
      }
    } catch {
      let isLate = error.errno == .ETIMEDOUT
      throw CNIError(
        .delegateFailed, "plugin \(type) \(command)",
        details: isLate ? "\(path) did not end within \(seconds) s and was killed" : "\(error)")
    }
  }

  /// The error of a plugin that failed: the one that it printed (section 5 of the specification).
  ///
  /// - Parameters:
  ///   - output: what it printed.
  ///   - command: for the message if it printed no error.
  ///   - prefix: goes before the plugin's own message.
  /// - Returns: code 105 with the output as details if the plugin printed no error.
  public func error(in output: ChildOutput, of command: String, prefix: String? = nil) -> CNIError {
    let printed = try? CNIJSON.decode(PrintedError.self, from: output.output)
    if let printed, printed.code?.rawValue != 0, printed.code != nil || printed.message != nil {
      let message = [prefix, printed.message ?? "plugin \(type) failed"].compactMap { $0 }.joined(separator: ": ")
      return CNIError(printed.code ?? .delegateFailed, message, details: printed.details)
    }
    let code = printed?.code == nil ? "" : " and code 0, which is not an error code"
    let text = [output.errors, output.output].map(oneLine).first { !$0.isEmpty } ?? "it printed nothing"
    return CNIError(
      .delegateFailed, "plugin \(type) \(command): ended with status \(output.status)\(code)", details: text)
  }
}

/// Runs `body` again for up to five seconds while the executable is being written, for instance by an update (ETXTBSY).
private func retryWhileBusy(_ body: () throws(KernelError) -> ChildOutput) throws(KernelError) -> ChildOutput {
  for _ in 0..<25 {
    do throws(KernelError) { return try body() } catch {
      guard error.isTextFileBusy else { throw error }
      Clock.sleep(milliseconds: 200)
    }
  }
  return try body()
}

/// The text, its lines joined, at most 1,000 characters of it.
private func oneLine(_ bytes: [UInt8]) -> String {
  let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: { $0.isNewline })
  return String(lines.joined(separator: " ").prefix(1000))
}
