import CNI
import CNIJSON
import Kernel
import Linux

/// Runs other plugins as the specification has it (section 4): same environment but for the command, same bytes.
struct Delegation {
  var searchPath: [String]
  /// The configuration as the runtime sent it.
  var input: [UInt8]

  /// As long as a DHCP server may take, and then some.
  static let secondsToWait = 120

  /// Starts the plugin `type` for `command`; it does nothing before it gets its input from `finish`.
  ///
  /// - Throws: code 105 where it cannot be run.
  func start(_ type: PluginType, _ command: Command) throws(CNIError) -> ChildProcess {
    let path = try find(type)
    let environment = Environment.all.filter { !$0.hasPrefix("CNI_COMMAND=") } + ["CNI_COMMAND=\(command.rawValue)"]
    var attempts = 0
    while true {
      do throws(KernelError) {
        return try ChildProcess.start(path, environment: environment)
      } catch {
        // A plugin that is being replaced by a new version cannot be run while it is written.
        guard error.isTextFileBusy, attempts < 5 else { throw CNIError(cannotRun: error) }
        attempts += 1
        Clock.sleep(milliseconds: 1000)
      }
    }
  }

  /// Lets a plugin that was started do its work.
  ///
  /// - Returns: its result for ADD, `nil` for the others.
  /// - Throws: its own error with its own code; code 105 where it says nothing that can be read, or too late.
  func finish(
    _ process: consuming ChildProcess, _ type: PluginType, _ command: Command
  ) throws(CNIError) -> AddResult? {
    let output: ChildOutput
    do throws(KernelError) {
      output = try process.finish(input: input, seconds: Self.secondsToWait)
    } catch { throw CNIError(cannotRun: error) }
    try? Standard.write(output.errors, to: Standard.error)  // what cannot be passed on must not undo what was done
    guard output.status == 0 else { throw failure(of: type, output) }
    guard command == .add else { return nil }
    do throws(CNIError) {
      return try CNIJSON.decode(WrittenResult.self, from: output.output).result
    } catch {
      throw CNIError(.delegateFailed, "result of plugin \(type): \(error.message)", details: error.details)
    }
  }

  private func find(_ type: PluginType) throws(CNIError) -> String {
    for directory in searchPath {
      let path = "\(directory)/\(type)"
      if (try? Files.status(path))?.isRegular == true { return path }
    }
    throw CNIError(
      .delegateFailed, "find plugin \(type): in none of the directories of CNI_PATH",
      details: searchPath.joined(separator: ":"))
  }

  private func failure(of type: PluginType, _ output: ChildOutput) -> CNIError {
    if let told = try? CNIJSON.decode(WrittenError.self, from: output.output), let code = told.code {
      return CNIError(code, told.message ?? "plugin \(type) failed", details: told.details)
    }
    let said = output.output.isEmpty ? output.errors : output.output
    return CNIError(
      .delegateFailed, "plugin \(type) failed with status \(output.status) and no error in JSON",
      details: String(decoding: said.prefix(1000), as: UTF8.self))
  }
}

extension CNIError {
  fileprivate init(cannotRun error: KernelError) {
    self.init(.delegateFailed, error.description, details: "errno \(error.errno)")
  }
}
