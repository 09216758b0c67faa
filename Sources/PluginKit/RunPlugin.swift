import CNI
import Kernel
import Glibc
import Linux
import NetTypes

/// Runs the plugin for the command in `CNI_COMMAND`, and exits.
///
/// - Parameters:
///   - plugin: the plugin.
///   - builtIn: a delegate that is linked into this executable, and run without a process if `CNI_PATH` leads to it.
///   - libraries: which calls need shared libraries.
public func runPlugin<P: Plugin & ~Copyable>(
  _ plugin: consuming P, builtIn: BuiltInPlugin? = nil, libraries: LibraryUse = .none
) -> Never {
  StandardStreams.occupyClosedStreams()
  StandardStreams.turnSignalsIntoErrors()
  guard Invocation.hasCommand({ Environment[$0] }) else {
    printNameAndVersions(P.name)
    exit(0)
  }
  unsafe Namespace.onReturnFailure = { error in
    report(
      CNIError(.kernelRefused, "\(error)", details: "the changes made so far stay; DEL removes them"), answering: [])
    exit(1)
  }
  let journal = Environment["CNI_LOG"].flatMap { $0.isEmpty ? nil : Journal() }
  var input: [UInt8] = []
  do throws(CNIError) {
    if Environment["CNI_COMMAND"] == SettingsCheck<P>.command {
      input = try readConfiguration(for: .add)
      try printResult(SettingsCheck(plugin, of: input).answer().bytes)
      exit(0)
    }
    let invocation = try Invocation({ Environment[$0] }, namespaceRule: P.namespaceRule)
    // A failed ADD may need the file descriptors of closed sockets to undo its changes.
    if [.del, .gc].contains(invocation.command) { LateClosing.begin() }
    input = try readConfiguration(for: invocation.command)
    if libraries.areMissing(for: invocation.command, input) { throw DynamicPlugins.takeOver(P.name, input) }
    let runner = Runner(
      plugin: plugin, invocation: invocation, input: input, journal: journal, builtIn: builtIn, print: printResult)
    try runner.run()
    log(journal, of: CommandLine.arguments.first ?? "", Environment["CNI_COMMAND"], input, nil)
    exit(0)
  } catch {
    // What the call has changed is rolled back, or it can be repeated.
    let error = SharedLibrary.wasNeeded ? DynamicPlugins.takeOver(P.name, input) : error
    report(error, answering: input)
    log(journal, of: CommandLine.arguments.first ?? "", Environment["CNI_COMMAND"], input, error)
    exit(1)
  }
}

/// Prints name and versions, for a user, or for Nomad, which looks for a version here.
private func printNameAndVersions(_ name: String) {
  let alias = CommandLine.arguments.first?.split(separator: "/").last.map(String.init) ?? name
  let versions = SpecVersion.allCases.map { $0.rawValue }.joined(separator: ", ")
  let text = "CNI \(alias) plugin v\(suiteVersion)\nCNI protocol versions supported: \(versions)\n"
  try? StandardStreams.write(Array(text.utf8), to: StandardStreams.error)  // there is no other place to report it
}

private func readConfiguration(for command: Command) throws(CNIError) -> [UInt8] {
  if command == .version, StandardStreams.inputIsTerminal { return [] }
  do throws(KernelError) {
    return try StandardStreams.readInput(limit: 16 << 20)
  } catch {
    throw CNIError(.ioFailure, "error reading from stdin: \(error.reason)", details: "errno \(error.errno)")
  }
}

private func printResult(_ document: [UInt8]) throws(CNIError) {
  do throws(KernelError) {
    try StandardStreams.write(document + [UInt8(ascii: "\n")], to: StandardStreams.output)
  } catch {
    throw CNIError(
      .ioFailure, "write the result to standard output: \(error.reason)", details: "errno \(error.errno)")
  }
}

/// Prints the error as the only document on standard output.
private func report(_ error: CNIError, answering input: [UInt8]) {
  let header = try? CNIJSON.decode(NetworkHeader.self, from: input)
  let requestedVersion = header?.cniVersion.flatMap(SpecVersion.init(rawValue:)) ?? (header == nil ? .latest : .v0_1_0)
  var members: [String: JSONValue] = [
    "cniVersion": .string(requestedVersion.rawValue), "code": .integer(Int64(error.code.rawValue)),
    "msg": .string(error.message),
  ]
  if !error.details.isEmpty { members["details"] = .string(error.details) }
  let bytes = JSONValue.object(members).bytes
  do throws(KernelError) {
    try StandardStreams.write(bytes + [UInt8(ascii: "\n")], to: StandardStreams.output)
  } catch {
    try? StandardStreams.write(bytes + [UInt8(ascii: "\n")], to: StandardStreams.error)  // the only place left
  }
}

/// Writes the line of one call for `CNI_LOG`.
func log(_ journal: Journal?, of plugin: String, _ command: String?, _ input: [UInt8], _ error: CNIError?) {
  guard let journal, let destination = Environment["CNI_LOG"] else { return }
  var members: [String: JSONValue] = ["plugin": .string(plugin)]
  members["CNI_COMMAND"] = command.map { .string($0) }
  for variable in ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS", "TRACEPARENT"] {
    members[variable] = Environment[variable].map { .string($0) }
  }
  members["network"] = (try? CNIJSON.decode(NetworkHeader.self, from: input))?.name.map { .string($0) }
  do throws(KernelError) {
    try journal.write(to: destination, about: members, error: error)
  } catch {
    warn("CNI_LOG=\(destination): \(error)")
  }
}

/// Writes a line to standard error, for problems that do not change the outcome.
public func warn(_ text: String) {
  // There is no other place to report it.
  try? StandardStreams.write(Array((text + "\n").utf8), to: StandardStreams.error)
}
