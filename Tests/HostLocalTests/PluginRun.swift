import BaseSupport
import CNI
import Foundation
import IPAM
import NetTypes
import Testing

/// The output and exit status of a plugin.
struct Answer: Sendable, Equatable {
  var status: Int32
  var output: JSONValue

  var addresses: [String] { (output["ips"]?.array ?? []).compactMap { $0["address"]?.string } }
  var code: Int64? { if case .integer(let code)? = output["code"] { code } else { nil } }
  var message: String? { output["msg"]?.string }
}

/// A plugin's executable: the one in `CNI_BIN`, else the one built with these tests; or Debian's.
struct PluginRun: Sendable {
  static let ours = PluginRun(path: built + "/ipam-host-local")
  private static let built =
    ProcessInfo.processInfo.environment["CNI_BIN"]
    ?? URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().path()
  static let reference = PluginRun(path: "/usr/lib/cni/host-local")

  var path: String

  /// Starts the plugin; `wrapper` is a command that runs it.
  func start(
    _ command: String, _ container: String, _ config: String, arguments: String = "", wrapper: [String] = []
  ) throws -> Process {
    let process = Process()
    let commandLine = wrapper + [path]
    process.executableURL = URL(filePath: commandLine[0])
    process.arguments = Array(commandLine.dropFirst())
    process.environment = [
      "CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_NETNS": "/dev/null", "CNI_IFNAME": "eth0",
      "CNI_PATH": "/usr/lib/cni", "CNI_ARGS": arguments, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    ]
    let input = Pipe()
    process.standardInput = input
    process.standardOutput = Pipe()
    process.standardError = FileHandle.nullDevice
    try process.run()
    input.fileHandleForWriting.write(Data(config.utf8))
    try input.fileHandleForWriting.close()
    return process
  }

  func finish(_ process: Process) throws -> Answer {
    let pipe = try #require(process.standardOutput as? Pipe)
    let bytes = [UInt8](pipe.fileHandleForReading.readDataToEndOfFile())
    process.waitUntilExit()
    return Answer(
      status: process.terminationStatus, output: bytes.isEmpty ? .null : try CNIJSON.decodeValue(bytes))
  }

  func callAsFunction(
    _ command: String, _ container: String, _ config: String, arguments: String = "", wrapper: [String] = []
  ) throws -> Answer {
    try finish(start(command, container, config, arguments: arguments, wrapper: wrapper))
  }
}

/// Runs `body` with a directory for leases; it and the indexes of its networks are removed afterwards.
func inDataDirectory<Value>(_ body: (String) throws -> Value) throws -> Value {
  try inTemporaryDirectory { path in
    defer {
      for name in fileNames(path) {
        guard let network = NetworkName(name) else { continue }
        try? LeaseDirectory.removeAll(dataDir: path, network: network)
      }
    }
    return try body(path)
  }
}

/// Every file's name and content.
func contents(_ path: String) -> [String: String] {
  Dictionary(
    uniqueKeysWithValues: fileNames(path).compactMap { name in
      (try? Data(contentsOf: URL(filePath: "\(path)/\(name)"))).map { (name, String(decoding: $0, as: UTF8.self)) }
    })
}

/// The lease files of a network.
func leases(_ path: String) -> Set<String> { fileNames(path).filter { IPAddress($0) != nil } }

/// A configuration of the network `net` whose `ipam` object holds `text`.
///
/// Debian's reference plugin supports no version after 1.0.0.
func config(_ directory: String, _ text: String, more: String = "", version: String = "1.0.0") -> String {
  #"{"cniVersion": "\#(version)", "name": "net", "type": "ptp", \#(more) "#
    + #""ipam": {"type": "host-local", "dataDir": "\#(directory)", \#(text)}}"#
}

extension Trait where Self == ConditionTrait {
  static var needsReferencePlugins: Self {
    enabled("needs /usr/lib/cni/host-local: apt install containernetworking-plugins") {
      FileManager.default.isExecutableFile(atPath: PluginRun.reference.path)
    }
  }

  static var needsRoot: Self { enabled("needs root, to mount") { getuid() == 0 } }
}
