import CNI
import CNIRuntime
import NetTypes
import Testing

private func network(_ version: String, _ keys: String = "") -> String {
  #"{"cniVersion":"\#(version)","name":"blue",\#(keys)"plugins":[{"type":"one"},{"type":"two"}]}"#
}

@Suite struct NetworkVerbTests {
  @Test(arguments: [
    (network("0.3.1"), true, "network blue: version 0.3.1 has no CHECK: want 0.4.0 or later (code 1)"),
    (
      network("1.0.0", #""disableCheck":true,"#), true,
      #"network blue: CHECK is disabled by its key "disableCheck" (code 2)"#
    ),
    (network("1.0.0"), false, "container c1 is not on network blue as eth0 (code 3)"),
  ])
  func `CHECK is refused if too old, disabled or not attached`(text: String, attached: Bool, complaint: String) throws {
    try FakePlugins.with(["one", "two"]) { host in
      if attached { _ = try host.runtime().add(try list(text), try attachment()) }
      #expect(try refusal { try host.runtime().check(try list(text), try attachment()) } == complaint)
      #expect(try !host.order().contains("one CHECK"))
    }
  }

  @Test func `CHECK runs the plugins in order and stops at the first error`() throws {
    try FakePlugins.with(["one", "two"]) { host in
      let runtime = host.runtime()
      _ = try runtime.add(try list(network("1.0.0")), try attachment())
      try runtime.check(try list(network("1.0.0")), try attachment())
      #expect(try host.order().suffix(2) == ["one CHECK", "two CHECK"])
      try host.answer("one", .check, #"{"code":101,"msg":"no address"}"#, fails: true)
      let errorText = try refusal { try runtime.check(try list(network("1.0.0")), try attachment()) }
      #expect(errorText == "network blue: plugin one CHECK: no address (code 101)")
      #expect(try host.order().last == "one CHECK")
    }
  }

  @Test func `GC first deletes stale attachments, then passes the valid ones to every plugin`() throws {
    try FakePlugins.with(["one", "two"]) { host in
      let runtime = host.runtime(), blue = try list(network("1.1.0"))
      for container in ["c1", "c2"] { _ = try runtime.add(blue, try attachment(container)) }
      try runtime.collectGarbage(blue, valid: [try attachment("c2").key])
      #expect(try host.order().suffix(4) == ["two DEL", "one DEL", "one GC", "two GC"])
      let input = try #require(try host.calls().last).input
      let valid = try json(#"[{"containerID":"c2","ifname":"eth0"}]"#)
      #expect(input["cni.dev/valid-attachments"] == valid)
      #expect(input["cni.dev/attachments"] == valid)
      #expect(try runtime.cache.entries().map(\.attachment.owner.container.description) == ["c2"])
      #expect(try !host.read("environment").contains("CNI_CONTAINERID=c"))
    }
  }

  @Test func `GC continues after errors and reports all of them`() throws {
    try FakePlugins.with(["one", "two"]) { host in
      let runtime = host.runtime(), blue = try list(network("1.1.0"))
      _ = try runtime.add(blue, try attachment())
      try host.answer("two", .del, #"{"code":5,"msg":"stuck"}"#, fails: true)
      try host.answer("one", .gc, #"{"code":100,"msg":"busy"}"#, fails: true)
      let errorText = try refusal { try runtime.collectGarbage(blue, valid: []) }
      #expect(errorText == "network blue: plugin two DEL: stuck; network blue: plugin one GC: busy (code 5)")
      #expect(try host.order().suffix(2) == ["one GC", "two GC"])
    }
  }

  @Test func `GC before 1_1_0 only deletes stale attachments`() throws {
    try FakePlugins.with(["one", "two"]) { host in
      let runtime = host.runtime(), blue = try list(network("1.0.0"))
      _ = try runtime.add(blue, try attachment())
      try runtime.collectGarbage(blue, valid: [])
      #expect(try host.order().suffix(2) == ["two DEL", "one DEL"])
    }
  }

  @Test func `GC and STATUS run in an older list for plugins that support 1_1_0`() throws {
    try FakePlugins.with(["one", "two"]) { host in
      let runtime = host.runtime(), blue = try list(network("1.0.0"))
      try host.answer("two", .version, #"{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}"#)
      try runtime.runPluginGC(of: blue, valid: [try attachment().key], always: true)
      #expect(try host.order() == ["one VERSION", "one GC", "two VERSION"])
      #expect(try host.calls()[1].input["cniVersion"] == "1.1.0")
      #expect(try runtime.status(blue, always: true) == .notSupported)
      try host.install("two")
      #expect(try runtime.status(blue, always: true) == .ready)
    }
  }

  @Test func `GC is refused if the list has disableGC`() throws {
    try FakePlugins.with(["one", "two"]) { host in
      let blue = try list(network("1.1.0", #""disableGC":true,"#))
      _ = try host.runtime().add(blue, try attachment())
      #expect(try refusal { try host.runtime().collectGarbage(blue, valid: []) }.contains("disableGC"))
      #expect(try host.order() == ["one ADD", "two ADD"])
    }
  }

  @Test func `STATUS returns the first plugin's error and does not run before 1_1_0`() throws {
    try FakePlugins.with(["one", "two"]) { host in
      let runtime = host.runtime()
      #expect(try runtime.status(try list(network("1.0.0"))) == .notSupported)
      #expect(try host.order() == [])
      #expect(try runtime.status(try list(network("1.1.0"))) == .ready)
      try host.answer("one", .status, #"{"code":50,"msg":"pool is full"}"#, fails: true)
      let error = try #require(throws: CNIError.self) { _ = try runtime.status(try list(network("1.1.0"))) }
      #expect(error == CNIError(.notAvailable, "network blue: plugin one STATUS: pool is full"))
    }
  }

  @Test func `the error about an unsupported version lists the plugin's versions`() throws {
    try FakePlugins.with(["one", "two"]) { host in
      try host.runtime().checkVersions(try list(network("1.0.0")))
      try host.answer("two", .version, #"{"cniVersion":"1.1.0","supportedVersions":["0.3.1","0.4.0"]}"#)
      let errorText = try refusal { try host.runtime().checkVersions(try list(network("1.0.0"))) }
      #expect(
        errorText
          == "network blue is written for version 1.0.0, which plugin two does not support: it supports 0.3.1, 0.4.0 (code 1)"
      )
    }
  }
}
