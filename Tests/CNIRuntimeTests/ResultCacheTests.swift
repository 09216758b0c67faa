import CNI
import CNIJSON
import CNIRuntime
import Foundation
import Testing

@Suite struct ResultCacheTests {
  @Test func `an attachment is kept as libcni keeps it`() throws {
    try FakePlugins.with(["one"]) { host in
      let text = #"{"cniVersion":"1.0.0","name":"blue","plugins":[{"type":"one","capabilities":{"mac":true}}]}"#
      var wanted = try attachment()
      wanted.arguments = [NetworkAttachment.Argument("IgnoreUnknown", "1")]
      wanted.capabilityArguments = ["mac": .string("02:00:00:00:00:01")]
      _ = try host.runtime().add(try list(text), wanted)
      let expected = JSONValue.object([
        "kind": .string("cniCacheV1"), "containerId": .string("c1"), "ifName": .string("eth0"),
        "networkName": .string("blue"), "netns": .string("/run/netns/none-c1"),
        "config": .string(Data(text.utf8).base64EncodedString()),
        "cniArgs": .array([.array([.string("IgnoreUnknown"), .string("1")])]),
        "capabilityArgs": .object(["mac": .string("02:00:00:00:00:01")]),
        "result": try json(#"{"cniVersion":"1.0.0","interfaces":[{"name":"one","sandbox":"/x"}]}"#),
      ])
      try host.answer("one", .add, #"{"cniVersion":"1.0.0","interfaces":[{"name":"one","sandbox":"/x"}]}"#)
      try host.runtime().delete(try list(text), wanted)
      _ = try host.runtime().add(try list(text), wanted)
      #expect(try json(host.read("cache/results/blue-c1-eth0")) == expected)
      let mode = try FileManager.default.attributesOfItem(atPath: "\(host.directory)/cache/results/blue-c1-eth0")
      #expect(mode[.posixPermissions] as? Int == 0o600)
      #expect(try host.runtime().cache.entries().map(\.attachment) == [wanted])
    }
  }

  @Test(arguments: [
    "", "{", #"{"kind":"other"}"#, #"{"cniVersion":"0.4.0","ips":[]}"#,
    #"{"kind":"cniCacheV1","containerId":"c1","ifName":"eth0","networkName":"red"}"#,
    #"{"kind":"cniCacheV1","containerId":"c1","ifName":"eth0","networkName":"blue","config":"?"}"#,
  ])
  func `a file of another kind is no attachment, and none that a DEL trips over`(text: String) throws {
    try FakePlugins.with(["one"]) { host in
      try FileManager.default.createDirectory(
        atPath: "\(host.directory)/cache/results", withIntermediateDirectories: true)
      try host.write("cache/results/blue-c1-eth0", text)
      #expect(try host.runtime().cache.entries() == [])
      try host.runtime().delete(try list(#"{"cniVersion":"1.0.0","name":"blue","type":"one"}"#), try attachment())
      #expect(!FileManager.default.fileExists(atPath: "\(host.directory)/cache/results/blue-c1-eth0"))
    }
  }
}
