import BaseSupport
import CNI
import CNIRuntime
import Foundation
import NetTypes
import Testing

/// A directory of plugins that record their calls and answer as the test configures them.
struct FakePlugins {
  let directory: String

  /// One call as the plugin received it.
  struct Call: Equatable {
    var plugin: String
    var command: String
    var input: JSONValue
  }

  static func with<Value>(_ names: [String], _ body: (FakePlugins) throws -> Value) throws -> Value {
    try inTemporaryDirectory { directory in
      let plugins = FakePlugins(directory: directory)
      for name in names { try plugins.install(name) }
      return try body(plugins)
    }
  }

  func install(_ name: String) throws {
    let script = """
      #!/bin/sh
      me=${0##*/} here=${0%/*}
      { printf '%s\\t%s\\t' "$me" "$CNI_COMMAND"; tr -d '\\n'; echo; } >> "$here/calls"
      env | grep ^CNI_ | sort > "$here/environment"
      [ ! -f "$here/$me.sleep" ] || exec sleep 60
      [ ! -f "$here/$me.says" ] || cat "$here/$me.says" >&2
      [ ! -f "$here/$me.$CNI_COMMAND" ] || cat "$here/$me.$CNI_COMMAND"
      [ ! -f "$here/$me.$CNI_COMMAND.fails" ] || exit 1
      """
    try writeProgram(name, script)
    try answer(name, .version, #"{"cniVersion":"1.1.0","supportedVersions":["0.4.0","1.0.0","1.1.0"]}"#)
    try answer(name, .add, #"{"cniVersion":"1.1.0","interfaces":[{"name":"\#(name)"}],"extra":7}"#)
  }

  func answer(_ name: String, _ command: Command, _ text: String, fails: Bool = false) throws {
    try write("\(name).\(command.rawValue)", text)
    if fails { try write("\(name).\(command.rawValue).fails", "") }
  }

  func writeProgram(_ name: String, _ script: String) throws {
    try write(name, script)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(directory)/\(name)")
  }

  func write(_ name: String, _ text: String) throws {
    try text.write(toFile: "\(directory)/\(name)", atomically: true, encoding: .utf8)
  }

  func read(_ name: String) throws -> String { try String(contentsOfFile: "\(directory)/\(name)", encoding: .utf8) }

  /// Every call so far, in order.
  func calls() throws -> [Call] {
    guard FileManager.default.fileExists(atPath: "\(directory)/calls") else { return [] }
    return try read("calls").split(separator: "\n").map { line in
      let fields = line.split(separator: "\t", maxSplits: 2, omittingEmptySubsequences: false)
      let input = fields[2].isEmpty ? JSONValue.null : try CNIJSON.decodeValue(Array(fields[2].utf8))
      return Call(plugin: String(fields[0]), command: String(fields[1]), input: input)
    }
  }

  /// The calls as "plugin COMMAND".
  func order() throws -> [String] { try calls().map { "\($0.plugin) \($0.command)" } }

  func runtime(timeoutSeconds: Int = 20) -> Runtime {
    Runtime(
      pluginDirectories: ["/nonexistent", directory], cache: ResultCache("\(directory)/cache"),
      timeoutSeconds: timeoutSeconds, diagnostics: { _ in })
  }
}

/// A value that the test wrote correctly.
func valid<Value: TextCodable>(_ text: String) throws -> Value { try #require(Value(text)) }

func owner(_ network: String = "blue", _ container: String = "c1", _ interface: String = "eth0") throws -> AttachmentID
{
  AttachmentID(network: try valid(network), container: try valid(container), interface: try valid(interface))
}

func attachment(_ container: String = "c1") throws -> NetworkAttachment {
  NetworkAttachment(owner: try owner("blue", container), namespacePath: "/run/netns/none-\(container)")
}

func list(_ text: String) throws -> NetworkList { try NetworkList(Array(text.utf8)) }

func json(_ text: String) throws -> JSONValue { try CNIJSON.decodeValue(Array(text.utf8)) }

/// The text of the error that `body` throws.
func refusal(_ body: () throws -> Void) throws -> String {
  try #require(#expect(throws: CNIError.self) { try body() }).description
}
