import CNI
import Linux
import NetTypes

/// Runs other plugins by the CNI specification (section 4): same input, and same environment except `CNI_COMMAND`.
struct DelegateRunner {
  var searchPath: [String]
  var journal: Journal?

  /// Longer than a DHCP server may take.
  static let secondsToWait = 120

  /// Runs the plugin `type` for `command`; `input` is the configuration it reads.
  ///
  /// - Returns: its result for ADD, `nil` for other commands.
  /// - Throws: its own error with its code; code 105 if it cannot be run or its output cannot be read.
  func run(_ type: PluginType, _ command: Command, _ input: [UInt8]) throws(CNIError) -> AddResult? {
    let path = try find(type)
    let output: ChildOutput
    if let journal {
      output = try journal.step("run \(path) \(command.rawValue)") { () throws(CNIError) in
        try execute(path, command, input)
      }
    } else {
      output = try execute(path, command, input)
    }
    try? StandardStreams.write(output.errors, to: StandardStreams.error)  // a failure to pass it on is no reason for a rollback
    guard output.status == 0 else { throw failure(of: type, output) }
    let answer = DelegateOutput(type, command, output.output)
    try answer.refuseError()
    return command == .add ? try answer.result() : nil
  }

  /// Lets the plugin `type` plan its ADD; nothing is done for other commands, because there is nothing to take back.
  ///
  /// - Returns: the planned result.
  /// - Throws: code 4 if the plugin is not of this suite, which would make the attachment; its own error.
  func plan(
    _ type: PluginType, _ command: Command, _ input: [UInt8], isIPAM: Bool, into plan: PlanOutput
  ) throws(CNIError) -> AddResult? {
    guard command == .add else { return nil }
    let path = try find(type)
    guard try canPlan(type, path, input) else {
      throw CNIError(
        .invalidEnvironment,
        isIPAM
          ? "plan: IPAM plugin \(type) would assign an address: want host-local of this suite"
          : "plan: plugin \(type) would change the host: want \(type) of this suite", details: path)
    }
    let output = try execute(path, .add, input)
    try? StandardStreams.write(output.errors, to: StandardStreams.error)
    guard output.status == 0 else { throw failure(of: type, output) }
    let lines = String(decoding: output.output, as: UTF8.self).split(separator: "\n").map(String.init)
    guard let last = lines.last, last.hasPrefix(PlanOutput.resultPrefix) else {
      throw CNIError(.delegateFailed, "plugin \(type) with CNI_PLAN=1: no planned result as the last line")
    }
    plan.add(lines.dropLast())
    return try DelegateOutput(type, .add, Array(last.dropFirst(PlanOutput.resultPrefix.count).utf8)).result()
  }

  /// Whether the plugin knows `CNI_PLAN`, as it says itself; a name that this suite does not have is not asked.
  private func canPlan(_ type: PluginType, _ path: String, _ input: [UInt8]) throws(CNIError) -> Bool {
    guard SuitePlugins.names.contains(type.description) else { return false }
    let answer = try execute(path, "VALIDATE", input)
    guard answer.status == 0, let value = try? CNIJSON.decodeValue(answer.output) else { return false }
    return value["plans"] == .bool(true)
  }

  private func find(_ type: PluginType) throws(CNIError) -> String {
    for directory in searchPath {
      let path = "\(directory)/\(type)"
      if (try? Files.status(path))?.isRegular == true { return path }
    }
    throw CNIError(
      .delegateFailed, "find plugin \(type): not found in any directory of CNI_PATH",
      details: searchPath.joined(separator: ":"))
  }

  private func execute(_ path: String, _ command: Command, _ input: [UInt8]) throws(CNIError) -> ChildOutput {
    try execute(path, command.rawValue, input)
  }

  private func execute(_ path: String, _ command: String, _ input: [UInt8]) throws(CNIError) -> ChildOutput {
    let environment = Environment.all.filter { !$0.hasPrefix("CNI_COMMAND=") } + ["CNI_COMMAND=\(command)"]
    var attempts = 0
    while true {
      do throws(KernelError) {
        return try ChildProcess.run(path, environment: environment, input: input, seconds: Self.secondsToWait)
      } catch {
        // ETXTBSY: the plugin's file is being written, perhaps by an update.
        guard error.isTextFileBusy, attempts < 5 else {
          throw CNIError(.delegateFailed, error.description, details: "errno \(error.errno)")
        }
        attempts += 1
        Clock.sleep(milliseconds: 1000)
      }
    }
  }

  private func failure(of type: PluginType, _ output: ChildOutput) -> CNIError {
    let printedError = try? CNIJSON.decode(PrintedError.self, from: output.output)
    if let printedError, let code = printedError.code, code.rawValue != 0 {
      return CNIError(code, printedError.message ?? "plugin \(type) failed", details: printedError.details)
    }
    let outputBytes = output.output.isEmpty ? output.errors : output.output
    let what = printedError?.code == nil ? "no error in JSON" : "code 0, which is not an error code"
    return CNIError(
      .delegateFailed, "plugin \(type) failed with status \(output.status) and \(what)",
      details: String(decoding: outputBytes.prefix(1000), as: UTF8.self))
  }
}
