import CNI
import LabSupport
import Testing

/// The result of ADD and the state of the container.
@Suite(.needsRoot)
struct ResultTests {
  struct Form: CustomTestStringConvertible {
    var version: SpecVersion
    var hasIPAM: Bool
    var testDescription: String { "\(version.rawValue)\(hasIPAM ? "" : " without ipam")" }
  }

  /// Versions that Debian's reference plugins support: they do not know the newest, and the oldest cannot express
  /// a link without addresses.
  static let forms =
    SpecVersion.allCases.filter { $0 < .v1_1_0 }.map { Form(version: $0, hasIPAM: true) }
    + SpecVersion.allCases.filter { $0 < .v1_1_0 && $0 > .v0_2_0 }.map { Form(version: $0, hasIPAM: false) }

  @Test(arguments: forms)
  func `the result equals the reference plugin's in each CNI version`(form: Form) throws {
    let results = try [Binaries.ours, Binaries.reference].map { directory in
      try World.use(containers: 1) { world in
        var config = try world.config(
          #"""
          {"mac": "02:00:00:00:00:07", "mtu": 1400, "dns": {"nameservers": ["192.0.2.53"], "domain": "example.org",
           "search": ["example.org"], "options": ["ndots:2"]}}
          """#, version: form.version)
        if !form.hasIPAM { config = config.without("ipam") }
        var call = world.lab.call("ADD", config, on: 1, plugin: "macvlan")
        call.directory = directory
        let text = try world.lab.run(call).result().line.replacing(world.lab.name, with: "LAB")
        return try JSONValue(json: text)
      }
    }
    #expect(results[0] == results[1])
  }

  @Test func `the result of CNI 1.1.0 contains the MTU`() throws {
    try World.use(containers: 1) { world in
      let result = try world.add(try world.config(#"{"mtu": 1400, "mac": "02:00:00:00:00:07"}"#))
      let interface = try JSONValue(
        json: #"""
          [{"name": "eth0", "mac": "02:00:00:00:00:07", "mtu": 1400, "sandbox": "\#(world.lab.path(world.lab.container(1)))"}]
          """#)
      #expect(result.at("interfaces") == interface)
    }
  }

  @Test(arguments: [
    (#"{"mac": "02:00:00:00:00:01"}"#, "", "02:00:00:00:00:01"),
    (#"{"mac": "02:00:00:00:00:01"}"#, "MAC=02:00:00:00:00:02", "02:00:00:00:00:02"),
    (
      #"{"mac": "02:00:00:00:00:01", "args": {"cni": {"mac": "02:00:00:00:00:03"}}}"#,
      "IgnoreUnknown=1;MAC=02:00:00:00:00:02", "02:00:00:00:00:03"
    ),
    (
      #"{"args": {"cni": {"mac": "02:00:00:00:00:03"}}, "runtimeConfig": {"mac": "02:00:00:00:00:04"}}"#,
      "IgnoreUnknown=1;MAC=02:00:00:00:00:02", "02:00:00:00:00:04"
    ),
  ])
  func `MAC address precedence is runtimeConfig, args.cni, CNI_ARGS, mac`(keys: String, args: String, mac: String)
    throws
  {
    try World.use(containers: 1) { world in
      let config = try world.config(keys).without("ipam")
      let result = try world.add(config, args: args)
      #expect(result.text("interfaces.0.mac") == mac)
      #expect(try world.mac(in: world.lab.container(1)) == mac)
    }
  }

  @Test func `link, addresses and routes are as configured`() throws {
    try World.use(containers: 1) { world in
      let lab = world.lab, container = lab.container(1)
      var config = try world.config(#"{"mode": "vepa", "mtu": 1300, "bcqueuelen": 2345, "gwPriority": 10}"#)
      let routes = try JSONValue(json: #"[{"dst": "0.0.0.0/0"}, {"dst": "::/0"}, {"dst": "10.0.0.0/8"}]"#)
      config = config.with("ipam", try #require(config["ipam"]).with("routes", routes))
      let result = try world.add(config)
      let link = try #require(try lab.link("eth0", in: container))
      #expect(link.text("linkinfo.info_data.mode") == "vepa")
      #expect(link.text("linkinfo.info_data.bcqueuelen") == "2345")
      #expect(link.text("mtu") == "1300")
      #expect(link.text("ifalias") == "cni:net/\(lab.name)-c1/eth0")
      #expect(try lab.addresses(of: "eth0", in: container) == ["192.0.2.10/24", "2001:db8::10/64"])
      let first = try #require(try lab.route("default", in: container))
      #expect(first.text("gateway") == "192.0.2.2" && first.text("metric") == "90")
      let six = try #require(try lab.route("default", .v6, in: container))
      #expect(six.text("gateway") == "2001:db8::2" && six.text("metric") == "90")
      #expect(try lab.route("10.0.0.0/8", in: container)?.text("gateway") == "192.0.2.2")
      for (key, value) in [("ipv4/conf/eth0/arp_notify", "1"), ("ipv6/conf/eth0/ndisc_notify", "1")] {
        #expect(try lab.sysctl("net/\(key)", in: container) == value)
      }
      #expect(try lab.check(config, result, plugin: "macvlan").isSuccess)
    }
  }

  @Test func `without ipam the link is up and has no address`() throws {
    try World.use(containers: 1) { world in
      let lab = world.lab, config = try world.config().without("ipam")
      let before = try Snapshot(of: lab)
      let result = try world.add(config)
      #expect(result.at("ips") == nil && result.at("routes") == nil)
      let link = try #require(try lab.link("eth0", in: lab.container(1)))
      #expect(link.list("flags").contains { $0.string == "UP" })
      #expect(try lab.addresses(of: "eth0", in: lab.container(1)) == [])
      #expect(try lab.check(config, result, plugin: "macvlan").isSuccess)
      try world.delete(config)
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `without master the link of the default route is the master`() throws {
    try World.use(containers: 1) { world in
      let lab = world.lab, config = try world.config().without("master")
      let refused = try lab.add(config, plugin: "macvlan")
      #expect(refused.code == 7 && refused.complaint.contains("no default route on the host"), "\(refused)")
      try lab.shell("ip route add default via 192.0.2.2", in: lab.host)
      let result = try world.add(config)
      try world.expect(world.reach(lab.container(1), World.lan))
      // CHECK and DEL do not need the default route.
      try lab.shell("ip route del default", in: lab.host)
      #expect(try lab.check(config, result, plugin: "macvlan").isSuccess)
      try world.delete(config)
      #expect(try lab.leases() == [])
    }
  }

  @Test func `ADD leaves nothing if IPAM fails`() throws {
    try World.use(containers: 1) { world in
      let config = try world.config(#"{"runtimeConfig": {"ips": ["203.0.113.1/24"]}, "hostAccess": true}"#)
      let before = try Snapshot(of: world.lab)
      #expect(try world.lab.add(config, plugin: "macvlan").code == 103)
      try world.lab.expectUnchanged(since: before)
    }
  }
}
