import CNI
import Foundation
import LabSupport
import Testing

/// A call that must be refused and leave nothing.
///
/// In its texts, `DIR` stands for the lab's directory and `HOST` for the path of the host's namespace.
struct BadCall: CustomTestStringConvertible {
  var name: String
  var plugin = "bridge"
  var command = "ADD"
  /// The content of standard input.
  var config: String
  /// Environment variables that replace the usual ones; an empty value removes a variable.
  var variables: [String: String] = [:]
  /// Commands to run before the call, in the host's namespace and the lab's directory.
  var script = ""
  var code: Int
  /// Texts that `msg` or `details` must contain.
  var fragments: [String]

  var testDescription: String { name }

  static let base = #"""
    {"cniVersion": "1.1.0", "name": "net", "type": "bridge", "bridge": "br0", "isGateway": true,
     "ipam": {"type": "host-local", "dataDir": "DIR/networks", "ranges": [[{"subnet": "10.77.0.0/24"}]]}}
    """#

  /// The usual configuration with further members.
  static func keys(_ keys: String, _ code: Int, _ fragments: String..., command: String = "ADD") -> BadCall {
    BadCall(name: "\(command) \(keys)", command: command, config: merged(keys), code: code, fragments: fragments)
  }

  /// The usual configuration with further members of `ipam`.
  static func ipam(_ keys: String, _ code: Int, _ fragments: String..., script: String = "") -> BadCall {
    BadCall(
      name: "ipam \(keys)", config: merged(#"{"ipam": \#(merged(keys, into: "ipam"))}"#), script: script, code: code,
      fragments: fragments)
  }

  /// A call with this text as input.
  static func text(_ name: String, _ text: String, _ code: Int, _ fragments: String...) -> BadCall {
    BadCall(name: name, config: text, code: code, fragments: fragments)
  }

  /// The usual configuration with other variables.
  static func variables(
    _ variables: [String: String], _ code: Int, _ fragments: String..., command: String = "ADD", script: String = ""
  ) -> BadCall {
    let list = variables.map { "\($0)=\($1)" }.sorted().joined(separator: " ")
    return BadCall(
      name: "\(command) \(list)", command: command, config: base, variables: variables, script: script, code: code,
      fragments: fragments)
  }

  /// Returns an empty input if `keys` is no JSON, so that the test of this call fails.
  private static func merged(_ keys: String, into member: String? = nil) -> String {
    guard let base = try? JSONValue(json: base), let keys = try? JSONValue(json: keys) else { return "" }
    return (member.flatMap { base[$0] } ?? base).merging(keys).line
  }

  /// Runs the call, and expects one JSON document with `code` and `fragments`, and no change.
  func expectRefusal() throws {
    try Lab.use { lab in
      func filled(_ text: String) -> String {
        text.replacingOccurrences(of: "DIR", with: lab.directory)
          .replacingOccurrences(of: "HOST", with: lab.path(lab.host))
      }
      if !script.isEmpty { try lab.shell("cd \(lab.directory); \(filled(script))", in: lab.host) }
      let before = try Snapshot(of: lab)
      var call = PluginCall(plugin: plugin, command: command, config: filled(config), variables: [:])
      if !["GC", "STATUS"].contains(command) {
        call.variables = ["CNI_CONTAINERID": "c1", "CNI_NETNS": lab.path(lab.container(1)), "CNI_IFNAME": "eth0"]
      }
      call.variables.merge(variables.mapValues(filled)) { _, new in new }
      let outcome = try lab.run(call)
      let answer = try #require(outcome.json?.object, "\(outcome)")
      #expect(outcome.status == 1)
      #expect(answer["cniVersion"]?.string.map { !$0.isEmpty } == true)
      #expect(outcome.code == code, "\(outcome)")
      #expect(outcome.json?.text("msg")?.isEmpty == false)
      for word in fragments { #expect(outcome.complaint.contains(filled(word))) }
      try lab.expectUnchanged(since: before)
    }
  }
}
