import CNI
import NetTypes
import Testing
@testable import PluginKit

@Suite struct InvocationTests {
  static let complete = [
    "CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_NETNS": "/run/netns/c1", "CNI_IFNAME": "eth0",
    "CNI_PATH": "/a:/b", "CNI_ARGS": "IP=10.0.0.1",
  ]

  private func invocation(
    _ changes: [String: String?] = [:], _ rule: NamespaceRule = .container
  ) throws(CNIError) -> Invocation {
    let environment = Self.complete.merging(changes.compactMapValues { $0 ?? "" }) { $1 }
    return try Invocation({ environment[$0] }, namespaceRule: rule)
  }

  @Test func `reads the CNI environment variables`() throws {
    let read = try invocation()
    #expect(read.command == .add)
    #expect(read.container?.description == "c1")
    #expect(read.interface?.description == "eth0")
    #expect(read.searchPath == ["/a", "/b"])
    #expect(!read.overridesNamespaceCheck)
  }

  @Test(arguments: [("ADD", true), ("VERSION", false)])
  func `CNI_PLAN=1 plans ADD and changes nothing for VERSION`(command: String, isDryRun: Bool) throws {
    #expect(try invocation(["CNI_COMMAND": command, "CNI_PLAN": "1"]).isDryRun == isDryRun)
    #expect(try !invocation(["CNI_COMMAND": command, "CNI_PLAN": ""]).isDryRun)
    #expect(try !invocation(["CNI_COMMAND": command, "CNI_PLAN": "0"]).isDryRun)
  }

  @Test(arguments: ["DEL", "CHECK", "GC", "STATUS"])
  func `CNI_PLAN=1 is refused for other commands`(command: String) {
    #expect(
      throws: CNIError(
        .invalidEnvironment, "CNI_PLAN=1 with CNI_COMMAND=\(command): want ADD",
        details: "only ADD can be planned")
    ) { try invocation(["CNI_COMMAND": command, "CNI_PLAN": "1"]) }
  }

  @Test func `CNI_PLAN is 1 or absent`() {
    #expect(throws: CNIError(.invalidEnvironment, "CNI_PLAN \"yes\": want 1, or unset the variable")) {
      try invocation(["CNI_PLAN": "yes"])
    }
  }

  @Test(arguments: [
    ("ADD", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]),
    ("CHECK", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]),
    ("DEL", ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"]), ("GC", ["CNI_PATH"]), ("STATUS", ["CNI_PATH"]),
  ])
  func `the error lists every missing variable`(command: String, required: [String]) {
    var changes: [String: String?] = ["CNI_COMMAND": command]
    for name in Self.complete.keys where name != "CNI_COMMAND" { changes[name] = .some(nil) }
    let refusal = CNIError(
      .invalidEnvironment, "required env variables [\(required.joined(separator: ","))] missing")
    #expect(throws: refusal) { try invocation(changes) }
  }

  @Test func `CNI_NETNS may be missing for a plugin that accepts any namespace`() throws {
    #expect(try invocation(["CNI_NETNS": nil], .any).namespacePath == "")
  }

  @Test(arguments: [
    ("CNI_COMMAND", "add", "unknown CNI_COMMAND: add"),
    ("CNI_COMMAND", "UPDATE", "unknown CNI_COMMAND: UPDATE"),
    ("CNI_CONTAINERID", "../x", "invalid characters in containerID"),
    ("CNI_CONTAINERID", "a/b", "invalid characters in containerID"),
    ("CNI_CONTAINERID", "-a", "invalid characters in containerID"),
    ("CNI_IFNAME", "a234567890123456", "interface name is too long"),
    ("CNI_IFNAME", ".", "interface name is . or .."), ("CNI_IFNAME", "..", "interface name is . or .."),
    ("CNI_IFNAME", "a/b", "interface name contains / or : or whitespace characters"),
    ("CNI_IFNAME", "a:b", "interface name contains / or : or whitespace characters"),
    ("CNI_IFNAME", "a b", "interface name contains / or : or whitespace characters"),
  ])
  func `an invalid variable is refused`(name: String, value: String, message: String) {
    #expect {
      try invocation([name: value])
    } throws: {
      ($0 as? CNIError)?.code == .invalidEnvironment && ($0 as? CNIError)?.message == message
    }
  }

  @Test(arguments: [250, 400, 1024])
  func `a container ID of up to 1,024 bytes is accepted`(count: Int) throws {
    #expect(try invocation(["CNI_CONTAINERID": String(repeating: "x", count: count)]).container != nil)
  }

  @Test(arguments: ["ADD", "DEL", "CHECK"])
  func `a container ID of 5,000 bytes is refused`(command: String) {
    #expect {
      try invocation(["CNI_COMMAND": command, "CNI_CONTAINERID": String(repeating: "x", count: 5000)])
    } throws: {
      ($0 as? CNIError)?.code == .invalidEnvironment && ($0 as? CNIError)?.message == "container id is too long"
    }
  }

  @Test func `a network name has at most 255 bytes`() {
    #expect(NetworkName(String(repeating: "n", count: 255)) != nil)
    #expect(NetworkName(String(repeating: "n", count: 256)) == nil)
  }

  @Test(arguments: [("1", true), ("true", true), ("TRUE", true), ("0", false), ("yes", false), ("", false)])
  func `CNI_NETNS_OVERRIDE 1 or true disables the namespace check`(value: String, overridden: Bool) throws {
    #expect(try invocation(["CNI_NETNS_OVERRIDE": value]).overridesNamespaceCheck == overridden)
  }
}
