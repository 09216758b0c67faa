import CNI
import Kernel
import Linux
import NetTypes

/// Runs other plugins by the CNI specification (section 4): same input, and same environment except `CNI_COMMAND`.
struct DelegateRunner {
  var searchPath: [String]
  var journal: Journal?
  /// A delegate that is linked into this executable.
  var builtIn: BuiltInPlugin?

  /// Longer than a DHCP server may take.
  static let secondsToWait = 120

  /// Runs the plugin `type` for `command`; `input` is the configuration it reads.
  ///
  /// - Returns: its result for ADD, `nil` for other commands.
  /// - Throws: its own error with its code; code 105 if it cannot be run or its output cannot be read.
  func run(_ type: PluginType, _ command: Command, _ input: [UInt8]) throws(CNIError) -> AddResult? {
    let plugin = try find(type)
    let output: [UInt8]
    if let journal {
      output = try journal.step("run \(plugin.path) \(command.rawValue)") { () throws(CNIError) in
        try successfulOutput(of: plugin, command, input)
      }
    } else {
      output = try successfulOutput(of: plugin, command, input)
    }
    let answer = DelegateOutput(type, command, output)
    try answer.refuseError()
    return command == .add ? try answer.result() : nil
  }

  /// Lets the plugin `type` plan its ADD; does nothing for other commands, because ADD made no change.
  ///
  /// - Returns: the planned result.
  /// - Throws: code 4 if the plugin is not of this suite, which would make the attachment; its own error.
  func plan(
    _ type: PluginType, _ command: Command, _ input: [UInt8], isIPAM: Bool, into plan: PlanOutput
  ) throws(CNIError) -> AddResult? {
    guard command == .add else { return nil }
    let plugin = try find(type)
    guard try canPlan(plugin, input) else {
      throw CNIError(
        .invalidEnvironment,
        isIPAM
          ? "plan: IPAM plugin \(type) would assign an address: want host-local of this suite"
          : "plan: plugin \(type) would change the host: want \(type) of this suite", details: plugin.path)
    }
    let output = try successfulOutput(of: plugin, .add, input)
    let lines = String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
    guard let last = lines.last, last.hasPrefix(PlanOutput.resultPrefix) else {
      throw CNIError(.delegateFailed, "plugin \(type) with CNI_PLAN=1: no planned result as the last line")
    }
    plan.add(lines.dropLast())
    return try DelegateOutput(type, .add, Array(last.dropFirst(PlanOutput.resultPrefix.count).utf8)).result()
  }

  /// Whether the plugin supports `CNI_PLAN`; a plugin whose name this suite does not have is not run.
  private func canPlan(_ plugin: PluginProcess, _ input: [UInt8]) throws(CNIError) -> Bool {
    guard SuitePlugins.names.contains(plugin.type.description) else { return false }
    let answer = try execute(plugin, "VALIDATE", input)
    guard answer.status == 0, let value = try? CNIJSON.decodeValue(answer.output) else { return false }
    return value["plans"] == .bool(true)
  }

  private func find(_ type: PluginType) throws(CNIError) -> PluginProcess {
    guard let plugin = PluginProcess(type, in: searchPath) else {
      throw CNIError(
        .delegateFailed, "find plugin \(type): not found in any directory of CNI_PATH",
        details: searchPath.joined(separator: ":"))
    }
    return plugin
  }

  /// Runs it and passes its standard error on.
  private func successfulOutput(
    of plugin: PluginProcess, _ command: Command, _ input: [UInt8]
  ) throws(CNIError) -> [UInt8] {
    if let builtIn, builtIn.isProgram(at: plugin.path) { return try builtIn.run(command, input, path: plugin.path) }
    let output = try execute(plugin, command.rawValue, input)
    // A failure to pass it on is no reason for a rollback.
    try? StandardStreams.write(output.errors, to: StandardStreams.error)
    guard output.status == 0 else { throw plugin.error(in: output, of: command.rawValue) }
    return output.output
  }

  private func execute(_ plugin: PluginProcess, _ command: String, _ input: [UInt8]) throws(CNIError) -> ChildOutput {
    let environment = Environment.all.filter { !$0.hasPrefix("CNI_COMMAND=") } + ["CNI_COMMAND=\(command)"]
    return try plugin.run(command, input: input, environment: environment, seconds: Self.secondsToWait)
  }
}
