import CNI
import CNIRuntime
import Foundation
import NetTypes
import Testing

private let chain = #"""
  {"cniVersion":"1.1.0","name":"blue","plugins":[
    {"type":"one","name":"other","CNIVERSION":"0.1.0","unknown":{"deep":[1,2.5,"x"]},"capabilities":{"ips":true}},
    {"type":"two","prevresult":{},"capabilities":{"mac":false,"ips":true}}]}
  """#

@Suite struct ChainTests {
  @Test func `each plugin gets the list's name and version, prevResult and its capability arguments`() throws {
    try FakePlugins.with(["one", "two"]) { host in
      var wanted = try attachment()
      wanted.capabilityArguments = ["ips": .array([.string("10.0.0.9")]), "mac": .string("02:00:00:00:00:01")]
      let made = try host.runtime().add(try list(chain), wanted)
      #expect(made.json == (try json(#"{"cniVersion":"1.1.0","interfaces":[{"name":"two"}],"extra":7}"#)))
      #expect(made.result.interfaces.map(\.name) == ["two"])
      let inputs = try host.calls().map(\.input)
      #expect(
        inputs == [
          try json(
            #"""
            {"cniVersion":"1.1.0","name":"blue","type":"one","unknown":{"deep":[1,2.5,"x"]},
             "capabilities":{"ips":true},"runtimeConfig":{"ips":["10.0.0.9"]}}
            """#),
          try json(
            #"""
            {"cniVersion":"1.1.0","name":"blue","type":"two","capabilities":{"mac":false,"ips":true},
             "runtimeConfig":{"ips":["10.0.0.9"]},
             "prevResult":{"cniVersion":"1.1.0","interfaces":[{"name":"one"}],"extra":7}}
            """#),
        ])
    }
  }

  @Test func `the environment identifies the attachment`() throws {
    try FakePlugins.with(["one", "two"]) { host in
      var wanted = try attachment()
      wanted.arguments = [NetworkAttachment.Argument("IgnoreUnknown", "1"), NetworkAttachment.Argument("A", "b=c")]
      _ = try host.runtime().add(try list(chain), wanted)
      #expect(
        try host.read("environment") == """
          CNI_ARGS=IgnoreUnknown=1;A=b=c
          CNI_COMMAND=ADD
          CNI_CONTAINERID=c1
          CNI_IFNAME=eth0
          CNI_NETNS=/run/netns/none-c1
          CNI_PATH=/nonexistent:\(host.directory)

          """)
    }
  }

  @Test func `if a plugin refuses ADD, DEL runs in reverse order and the plugin's error is reported`() throws {
    try FakePlugins.with(["one", "two"]) { host in
      try host.answer("two", .add, #"{"code":11,"msg":"busy","details":"wait"}"#, fails: true)
      let error = try #require(throws: CNIError.self) { _ = try host.runtime().add(try list(chain), try attachment()) }
      #expect(error == CNIError(.tryAgainLater, "network blue: plugin two ADD: busy", details: "wait"))
      #expect(try host.order() == ["one ADD", "two ADD", "two DEL", "one DEL"])
      #expect(try host.runtime().cache.entries() == [])
    }
  }

  @Test func `rollback continues after a plugin that refuses DEL, and the error reports it`() throws {
    try FakePlugins.with(["one", "two"]) { host in
      try host.answer("two", .add, #"{"code":7,"msg":"no"}"#, fails: true)
      try host.answer("two", .del, #"{"code":5,"msg":"stuck"}"#, fails: true)
      let errorText = try refusal { _ = try host.runtime().add(try list(chain), try attachment()) }
      #expect(errorText == "network blue: plugin two ADD: no: rollback: plugin two DEL: stuck (code 7)")
      #expect(try host.order().suffix(2) == ["two DEL", "one DEL"])
    }
  }

  @Test func `no plugin runs if one plugin is missing`() throws {
    try FakePlugins.with(["one"]) { host in
      let errorText = try refusal { _ = try host.runtime().add(try list(chain), try attachment()) }
      #expect(errorText.contains(#"no plugin "two" in /nonexistent, \#(host.directory)"#))
      #expect(try host.order() == [])
    }
  }

  @Test func `ADD of an existing attachment is refused`() throws {
    try FakePlugins.with(["one", "two"]) { host in
      _ = try host.runtime().add(try list(chain), try attachment())
      let errorText = try refusal { _ = try host.runtime().add(try list(chain), try attachment()) }
      #expect(errorText == "container c1 is already on network blue as eth0: disconnect it first (code 104)")
      #expect(try host.order() == ["one ADD", "two ADD"])
    }
  }

  @Test func `DEL runs in reverse order with the cached result and removes it from the cache`() throws {
    try FakePlugins.with(["one", "two"]) { host in
      let runtime = host.runtime()
      let made = try runtime.add(try list(chain), try attachment())
      try runtime.delete(try list(chain), try attachment())
      #expect(try host.order().suffix(2) == ["two DEL", "one DEL"])
      #expect(try host.calls().suffix(2).map { $0.input["prevResult"] } == [made.json, made.json])
      #expect(try runtime.cache.entries() == [])
      try runtime.delete(try list(chain), try attachment())
      #expect(try host.calls().suffix(2).map { $0.input["prevResult"] } == [nil, nil])
    }
  }

  @Test func `DEL stops at the first error and can be repeated`() throws {
    try FakePlugins.with(["one", "two"]) { host in
      let runtime = host.runtime()
      _ = try runtime.add(try list(chain), try attachment())
      try host.answer("two", .del, #"{"code":5,"msg":"stuck"}"#, fails: true)
      #expect(try refusal { try runtime.delete(try list(chain), try attachment()) }.contains("plugin two DEL: stuck"))
      #expect(try host.order().suffix(1) == ["two DEL"])
      #expect(try runtime.cache.entries().map(\.attachment) == [try attachment()])
    }
  }

  @Test func `a cached result is converted to the list's current version`() throws {
    try FakePlugins.with(["one"]) { host in
      try host.answer("one", .add, #"{"cniVersion":"1.1.0","ips":[{"address":"10.0.0.2/24"}]}"#)
      let old = #"{"cniVersion":"0.4.0","name":"blue","plugins":[{"type":"one"}]}"#
      _ = try host.runtime().add(try list(old), try attachment())
      try host.runtime().check(try list(old), try attachment())
      let given = try host.calls().last?.input["prevResult"]
      #expect(given == (try json(#"{"cniVersion":"0.4.0","dns":{},"ips":[{"address":"10.0.0.2/24","version":"4"}]}"#)))
    }
  }

  @Test(arguments: [
    ("", "plugin one ADD: ended with status 1: it printed nothing (code 105)"),
    ("boom", "plugin one ADD: ended with status 1: boom (code 105)"),
    (#"{"code":999,"msg":"no"}"#, "plugin one ADD: no (code 999)"),
    (#"{"msg":"no"}"#, "plugin one ADD: no (code 105)"),
    (
      #"{"code":0,"msg":"no"}"#,
      #"plugin one ADD: ended with status 1 and code 0, which is not an error code: {"code":0,"msg":"no"} (code 105)"#
    ),
  ])
  func `the error has the output of the failed plugin`(output: String, complaint: String) throws {
    try FakePlugins.with(["one"]) { host in
      try host.answer("one", .add, output, fails: true)
      let single = try list(#"{"name":"blue","cniVersion":"1.0.0","type":"one"}"#)
      #expect(try refusal { _ = try host.runtime().add(single, try attachment()) } == "network blue: \(complaint)")
    }
  }

  @Test(arguments: ["", "boom", "7", #"{"ips":[{"address":"nonsense"}]}"#])
  func `ADD rolls back if a plugin's answer is not a result`(output: String) throws {
    try FakePlugins.with(["one"]) { host in
      try host.answer("one", .add, output)
      let single = try list(#"{"name":"blue","cniVersion":"1.0.0","type":"one"}"#)
      let errorText = try refusal { _ = try host.runtime().add(single, try attachment()) }
      #expect(errorText.contains("plugin one ADD: the output is not a CNI result"), "\(errorText)")
      #expect(try host.order() == ["one ADD", "one DEL"])
    }
  }

  @Test func `a plugin that does not end in time is killed`() throws {
    try FakePlugins.with(["one"]) { host in
      try host.write("one.sleep", "")
      let single = try list(#"{"name":"blue","cniVersion":"1.0.0","type":"one"}"#)
      let errorText = try refusal { try host.runtime(timeoutSeconds: 1).delete(single, try attachment()) }
      #expect(
        errorText.contains("plugin one DEL: \(host.directory)/one did not end within 1 s and was killed"),
        "\(errorText)")
    }
  }

  @Test func `the standard error of a plugin is passed on`() throws {
    try FakePlugins.with(["one"]) { host in
      try host.write("one.says", "hear me")
      let heard = "\(host.directory)/heard"
      let runtime = Runtime(
        pluginDirectories: [host.directory], cache: ResultCache("\(host.directory)/cache"),
        diagnostics: { _ = FileManager.default.createFile(atPath: heard, contents: Data($0)) })
      try runtime.delete(try list(#"{"name":"blue","cniVersion":"1.0.0","type":"one"}"#), try attachment())
      #expect(try host.read("heard") == "hear me")
    }
  }
}
