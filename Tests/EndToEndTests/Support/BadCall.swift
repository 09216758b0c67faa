import CNI
import Foundation
import LabSupport
import Testing

/// A call that has to be refused without a trace.
///
/// In its texts `DIR` stands for the lab's directory and `HOST` for the host's namespace.
struct BadCall: CustomTestStringConvertible {
  var name: String
  var plugin = "bridge"
  var command = "ADD"
  /// Standard input.
  var config: String
  /// In place of the usual ones; an empty one is absent.
  var variables: [String: String] = [:]
  /// Run in the host's namespace before, in the lab's directory.
  var script = ""
  var code: Int
  /// What message and details together have to say.
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

  /// Any bytes.
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

  /// An unreadable `keys` becomes an empty input, which no row that is about keys expects.
  private static func merged(_ keys: String, into member: String? = nil) -> String {
    guard let base = try? JSONValue(json: base), let keys = try? JSONValue(json: keys) else { return "" }
    return (member.flatMap { base[$0] } ?? base).merging(keys).line
  }

  /// Runs it, and expects one JSON document with its code and words, and nothing left.
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
