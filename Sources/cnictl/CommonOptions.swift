import ArgumentParser
import CNI
import CNIRuntime
import Linux
import NetTypes

/// Directories and the form of the output: the options of every command.
struct CommonOptions: ParsableArguments {
  @Option(name: .customLong("conf-dir"), help: "The directory of network configurations.", completion: .directory)
  var configDirectory: String?

  @Option(
    name: .customLong("plugin-dir"), help: "A directory of plugins; may be given several times.", completion: .directory
  )
  var pluginDirectories: [String] = []

  @Option(name: .customLong("cache-dir"), help: "The directory of cached results.", completion: .directory)
  var cacheDirectory = StatePaths.resultCache

  @Option(name: .customLong("timeout"), help: "Seconds that one plugin may take.")
  var timeoutSeconds = 120

  @Flag(help: "Print JSON, errors too.")
  var json = false

  func validate() throws {
    guard (1...86_400).contains(timeoutSeconds) else { throw ValidationError("--timeout: want 1 to 86400 seconds") }
  }

  var networks: ConfigDirectory {
    ConfigDirectory(nonEmpty(configDirectory) ?? nonEmpty(Environment["NETCONFPATH"]) ?? ConfigDirectory.standard)
  }

  var runtime: Runtime {
    let named = pluginDirectories.isEmpty ? nonEmpty(Environment["CNI_PATH"]).map { [$0] } ?? [] : pluginDirectories
    let directories = named.flatMap { $0.split(separator: ":").map(String.init) }
    return Runtime(
      pluginDirectories: directories.isEmpty ? [Runtime.standardPluginDirectory] : directories,
      cache: ResultCache(cacheDirectory), timeoutSeconds: timeoutSeconds, diagnostics: writeToStandardError)
  }

  private func nonEmpty(_ text: String?) -> String? { text.flatMap { $0.isEmpty ? nil : $0 } }

  /// Reads the configured networks; warns on standard error about files that cannot be used.
  func load() throws(CNIError) -> ConfigDirectory.Contents {
    let contents = try networks.load()
    for fault in contents.faults { warn("\(fault.file) cannot be used: \(fault.reason)") }
    return contents
  }

  /// Runs a command's body; with `--json` its error is printed as JSON on standard output.
  func report(_ body: () throws(CNIError) -> Void) throws {
    do throws(CNIError) {
      try body()
    } catch {
      guard json else { throw error }
      try printJSON([
        "code": .integer(Int64(error.code.rawValue)), "msg": .string(error.message), "details": .string(error.details),
      ])
      throw ExitCode.failure
    }
  }

  func printJSON(_ members: [String: JSONValue]) throws(CNIError) { try printJSON(JSONValue.object(members)) }

  func printJSON(_ value: JSONValue, pretty: Bool = true) throws(CNIError) {
    print(pretty ? value.pretty() : value.text)
  }
}

/// Prints one line for the operator on standard error.
func warn(_ text: String) { writeToStandardError(Array("cnictl: \(text)\n".utf8)) }

func writeToStandardError(_ bytes: [UInt8]) {
  try? StandardStreams.write(bytes, to: StandardStreams.error)  // a failure cannot be reported anywhere
}

/// Parses a value of the command line; the error has the wanted form.
func parsed<Value: TextCodable>(_ text: String) throws -> Value {
  guard let value = Value(text) else { throw ValidationError("\"\(text)\": want \(Value.expectedForm)") }
  return value
}

/// Formats rows as columns, each at least 20 wide and 3 wider than its longest cell.
func table(_ rows: [[String]]) -> String {
  let columns = rows.map(\.count).max() ?? 0
  let widths = (0..<columns).map { column in
    max(20, rows.map { $0.count > column ? $0[column].count + 3 : 0 }.max() ?? 0)
  }
  return rows.map { row in
    row.enumerated().map { column, cell in
      column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
    }.joined()
  }.joined(separator: "\n")
}
