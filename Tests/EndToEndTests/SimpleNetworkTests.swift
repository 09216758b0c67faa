import CNI
import LabSupport
import Testing

/// The plugins `none` (also named `loopback`) and `host`.
@Suite(.needsRoot)
struct SimpleNetworkTests {
  private func config(_ type: String, _ version: SpecVersion = .latest) -> JSONValue {
    .object(["name": "simple", "type": .string(type), "cniVersion": .string(version.rawValue)])
  }

  @Test(arguments: ["none", "loopback"], ["lo", "eth0"])
  func `loopback is set up, reported, checked and set down`(plugin: String, interface: String) throws {
    try Lab.use { lab in
      let config = config(plugin)
      let result = try lab.add(config, as: interface, plugin: plugin).result()
      let sandbox = lab.path(lab.container(1))
      #expect(
        try result
          == JSONValue(
            json: #"""
              {"cniVersion": "1.1.0",
               "interfaces": [{"name": "lo", "mac": "00:00:00:00:00:00", "sandbox": "\#(sandbox)"}],
               "ips": [{"address": "127.0.0.1/8", "interface": 0}, {"address": "::1/128", "interface": 0}]}
              """#))
      #expect(try lab.pings("127.0.0.1", from: lab.container(1)))
      #expect(try lab.pings("::1", from: lab.container(1)))
      #expect(try lab.check(config, result, as: interface, plugin: plugin).isSuccess)
      for _ in 1...2 { #expect(try lab.delete(config, as: interface, plugin: plugin).isSuccess) }
      #expect(try !lab.pings("127.0.0.1", from: lab.container(1)))
      #expect(try lab.check(config, result, as: interface, plugin: plugin).code == 101)
    }
  }

  @Test(arguments: SpecVersion.allCases)
  func `loopback returns prevResult`(version: SpecVersion) throws {
    try Lab.use { lab in
      let bridged = try lab.add(try lab.bridge(version: version)).result()
      let result = try lab.add(
        config("loopback", version).with("prevResult", bridged), as: "lo", plugin: "loopback"
      ).result()
      #expect(result == bridged)
    }
  }

  @Test(arguments: ["", "/run/netns/not-there", "/etc/hostname"])
  func `loopback's DEL needs no namespace`(path: String) throws {
    try Lab.use { lab in
      var call = lab.call("DEL", config("loopback"), on: 1, as: "lo", plugin: "loopback")
      call.variables["CNI_NETNS"] = path
      let outcome = try lab.run(call)
      #expect(outcome.isSuccess)
    }
  }

  @Test func `DEL of loopback keeps lo up while another network is attached`() throws {
    try Lab.use { lab in
      _ = try lab.add(config("none"), as: "lo", plugin: "none").result()
      _ = try lab.add(try lab.bridge()).result()
      #expect(try lab.delete(config("none"), as: "lo", plugin: "none").isSuccess)
      #expect(try lab.pings("127.0.0.1", from: lab.container(1)))
    }
  }

  @Test(arguments: [true, false])
  func `host reports the host's interfaces and addresses`(isEmpty: Bool) throws {
    try Lab.use { lab in
      try lab.shell("ip link add up0 type veth peer name up1; ip addr add 192.0.2.2/24 dev up0", in: lab.host)
      let before = try Snapshot(of: lab)
      var call = lab.call("ADD", config("host"), on: 1, plugin: "host")
      call.variables["CNI_NETNS"] = isEmpty ? "" : lab.path(lab.host)
      let result = try lab.run(call).result()
      let index = try #require(result.list("interfaces").firstIndex { $0.text("name") == "up0" })
      #expect(try result.text("interfaces.\(index).mac") == lab.link("up0", in: lab.host)?.text("address"))
      let address = result.list("ips").first { $0.text("address") == "192.0.2.2/24" }
      #expect(address?.text("interface") == "\(index)")
      call.command = "CHECK"
      call.config = config("host").with("prevResult", result).line
      #expect(try lab.run(call).isSuccess)
      call.command = "DEL"
      for _ in 1...2 { #expect(try lab.run(call).isSuccess) }
      try lab.expectUnchanged(since: before)

      try lab.shell("ip addr del 192.0.2.2/24 dev up0", in: lab.host)
      call.command = "CHECK"
      let outcome = try lab.run(call)
      #expect(outcome.code == 101)
      #expect(outcome.complaint.contains("192.0.2.2/24"))
    }
  }

  @Test func `host refuses the namespace of a container`() throws {
    try Lab.use { lab in
      let before = try Snapshot(of: lab)
      let outcome = try lab.add(config("host"), plugin: "host")
      #expect(outcome.code == 8)
      #expect(outcome.complaint.contains(lab.path(lab.container(1))))
      try lab.expectUnchanged(since: before)
    }
  }

  @Test(arguments: ["none", "loopback", "host"], ["GC", "STATUS"])
  func `GC and STATUS print nothing`(plugin: String, command: String) throws {
    try Lab.use(containers: 0) { lab in
      let outcome = try lab.ask(
        command, config(plugin).with("cni.dev/valid-attachments", .array([])), plugin: plugin)
      #expect(outcome.isSuccess)
      #expect(outcome.output == "")
    }
  }
}
