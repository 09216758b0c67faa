import CNI
import Kernel
import Linux

/// A plugin of the suite that is linked into the executable of another one, so that it runs without a process.
///
/// It is run in place of an executable only if that is the same program of the same build: then both have the same code.
public struct BuiltInPlugin {
  private let name: String
  private let call: (Invocation.Variables, [UInt8], Journal?) throws(CNIError) -> [UInt8]

  /// - Parameter plugin: made anew for each call.
  public init<P: Plugin & ~Copyable>(_ plugin: @escaping @autoclosure () -> P) {
    name = P.name
    call = { (variables, input, journal) throws(CNIError) in
      let invocation = try Invocation(variables, namespaceRule: P.namespaceRule)
      var output: [UInt8] = []
      let runner = Runner(plugin: plugin(), invocation: invocation, input: input, journal: journal) { output += $0 }
      try runner.run()
      return output
    }
  }

  /// Whether the file is an executable of this program, of the same build as the running one.
  func isProgram(at path: String) -> Bool {
    guard let own = BuildNote.own, Files.isExecutable(path), let other = BuildNote(ofExecutable: path) else {
      return false
    }
    return other.buildID == own.buildID && other.program == name
  }

  /// Runs the plugin for `command`, as its executable at `path` would, with the environment of this process.
  ///
  /// - Returns: what it would print.
  /// - Throws: the error that it would print.
  func run(_ command: Command, _ input: [UInt8], path: String) throws(CNIError) -> [UInt8] {
    let journal = Environment["CNI_LOG"].flatMap { $0.isEmpty ? nil : Journal() }
    do throws(CNIError) {
      let output = try call({ $0 == "CNI_COMMAND" ? command.rawValue : Environment[$0] }, input, journal)
      log(journal, of: path, command.rawValue, input, nil)
      return output
    } catch {
      log(journal, of: path, command.rawValue, input, error)
      throw error
    }
  }
}
