import CNI
import CNIRuntime
import Foundation
import Testing

@Suite struct ResultCacheTests {
  @Test func `a cached result has libcni's format`() throws {
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
  func `a cache file of another format is not listed, and DEL removes it`(text: String) throws {
    try FakePlugins.with(["one"]) { host in
      try FileManager.default.createDirectory(
        atPath: "\(host.directory)/cache/results", withIntermediateDirectories: true)
      try host.write("cache/results/blue-c1-eth0", text)
      #expect(try host.runtime().cache.entries() == [])
      try host.runtime().delete(try list(#"{"cniVersion":"1.0.0","name":"blue","type":"one"}"#), try attachment())
      #expect(!FileManager.default.fileExists(atPath: "\(host.directory)/cache/results/blue-c1-eth0"))
    }
  }

  @Test(arguments: [("a-b", "c", "a", "b-c"), ("a", "b-c", "a-b", "c")])
  func `attachments with the same file name are kept apart and found by network`(
    names: (String, String, String, String)
  ) throws {
    try FakePlugins.with(["one"]) { host in
      let runtime = host.runtime()
      let both = try [(names.0, names.1), (names.2, names.3)].map { network, container in
        (
          try list(#"{"cniVersion":"1.0.0","name":"\#(network)","type":"one"}"#),
          NetworkAttachment(owner: try owner(network, container), namespacePath: "/run/netns/\(container)")
        )
      }
      for (list, attachment) in both { _ = try runtime.add(list, attachment) }
      let results = try FileManager.default.contentsOfDirectory(atPath: "\(host.directory)/cache/results")
      #expect(results.count == 2 && results.contains("a-b-c-eth0"))
      for (list, attachment) in both {
        let owner = attachment.owner
        #expect(try runtime.cache.entries(of: list.name).map(\.attachment) == [attachment])
        #expect(try runtime.cache.entries(of: list.name, container: owner.container).map(\.attachment) == [attachment])
        #expect(throws: CNIError.self) { try runtime.add(list, attachment) }
      }
      try runtime.delete(both[0].0, both[0].1)
      #expect(try runtime.cache.entries().map(\.attachment) == [both[1].1])
      try runtime.delete(both[1].0, both[1].1)
      #expect(try FileManager.default.contentsOfDirectory(atPath: "\(host.directory)/cache/results") == [])
    }
  }

  @Test func `a container ID may be longer than a file name`() throws {
    try FakePlugins.with(["one"]) { host in
      let runtime = host.runtime(), list = try list(#"{"cniVersion":"1.0.0","name":"blue","type":"one"}"#)
      let long = NetworkAttachment(
        owner: try owner("blue", String(repeating: "c", count: 300)), namespacePath: "/run/netns/c")
      _ = try runtime.add(list, long)
      #expect(try runtime.cache.entries(of: list.name, container: long.owner.container).map(\.attachment) == [long])
      try runtime.delete(list, long)
      #expect(try runtime.cache.entries() == [])
    }
  }
}
