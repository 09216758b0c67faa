import CNI
import LabSupport
import Testing

/// `tuning` after `bridge` in a chain.
@Suite(.needsRoot)
struct TuningTests {
  @Test func `every key is applied, reported, checked and restored`() throws {
    try Lab.use { lab in
      let bridged = try lab.add(try lab.bridge()).result()
      let before = (try lab.tunables(), try Snapshot(of: lab))
      let config = try lab.tuning(Lab.everyTuning)
      let result = try lab.tune(config, bridged).result()
      #expect(try lab.tunables() == Lab.everyTuned)
      #expect(lab.backups() == ["\(lab.name)-c1_eth0.json"])
      #expect(try lab.check(config, result, plugin: "tuning").isSuccess)
      for _ in 1...2 {
        let outcome = try lab.delete(config, plugin: "tuning")
        #expect(outcome.isSuccess && outcome.output == "", "\(outcome)")
        #expect(try lab.tunables() == before.0)
        try lab.expectUnchanged(since: before.1)
        #expect(lab.backups() == [])
      }
      let outcome = try lab.check(config, result, plugin: "tuning")
      #expect(outcome.code == 101)
      for word in [
        "MAC", "MTU 1500, want 1400", "queue length 1000, want 77", "promiscuous", "all-multicast", "rp_filter",
        "ip_forward", "ip_local_port_range", "ip_local_reserved_ports",
      ] { #expect(outcome.complaint.contains(word)) }
    }
  }

  @Test(arguments: SpecVersion.allCases)
  func `the result is prevResult with the new MAC address and MTU`(version: SpecVersion) throws {
    try Lab.use { lab in
      let bridged = try lab.add(try lab.bridge(version: version)).result()
      let result = try lab.tune(
        try lab.tuning(#"{"mac": "02:00:00:00:00:09", "mtu": 1400}"#, version), bridged
      ).result()
      var wanted = bridged
      if var interfaces = bridged["interfaces"]?.array, var own = interfaces.last {
        own = own.with("mac", "02:00:00:00:00:09")
        if version >= .v1_1_0 { own = own.with("mtu", .integer(1400)) }
        interfaces[interfaces.count - 1] = own
        wanted = wanted.with("interfaces", .array(interfaces))
      }
      #expect(result == wanted)
      #expect((wanted != bridged) == (version >= .v0_3_0))
      #expect(try lab.link("eth0", in: lab.container(1))?.text("address") == "02:00:00:00:00:09")
      #expect(try lab.pings("10.77.0.2", from: lab.container(1)))
    }
  }

  @Test func `tuning without keys changes nothing`() throws {
    try Lab.use { lab in
      let bridged = try lab.add(try lab.bridge()).result()
      let config = try JSONValue(json: #"{"cniVersion": "1.1.0", "name": "net", "type": "tuning"}"#)
      for command in ["ADD", "CHECK", "DEL"] {
        var call = lab.call(command, config.with("prevResult", bridged), on: 1, plugin: "tuning")
        call.variables["CNI_LOG"] = "\(lab.directory)/log"
        let outcome = try lab.run(call)
        #expect(outcome.isSuccess, "\(outcome)")
        #expect(outcome.json == (command == "ADD" ? bridged : nil))
      }
      let steps = try lab.shell("cat \(lab.directory)/log").split(separator: "\n").map {
        try JSONValue(json: String($0)).list("steps").count
      }
      #expect(steps == [0, 0, 0])
    }
  }

  @Test func `CNI_LOG lists each step`() throws {
    try Lab.use { lab in
      let bridged = try lab.add(try lab.bridge()).result()
      let config = try lab.tuning(#"{"mtu": 1400}"#).with("prevResult", bridged)
      for command in ["ADD", "CHECK", "DEL"] {
        var call = lab.call(command, config, on: 1, plugin: "tuning")
        call.variables["CNI_LOG"] = "\(lab.directory)/log"
        #expect(try lab.run(call).isSuccess)
      }
      let log = try lab.shell("cat \(lab.directory)/log")
      #expect(log.contains("look up eth0"))
      #expect(log.contains("set eth0 mtu 1400 in the container"))
      #expect(log.contains("set eth0 mtu 1500 in the container"))
    }
  }

  /// MAC addresses in each place of the configuration, and the one that takes precedence.
  @Test(arguments: [
    ("{}", "MAC=02:00:00:00:00:11", "02:00:00:00:00:11"),
    (#"{"mac": "02:00:00:00:00:10"}"#, "IgnoreUnknown=1;K8S_POD_NAME=x", "02:00:00:00:00:10"),
    (#"{"mac": "02:00:00:00:00:10"}"#, "MAC=02:00:00:00:00:11", "02:00:00:00:00:11"),
    (#"{"runtimeConfig": {"mac": "02:00:00:00:00:12"}}"#, "MAC=02:00:00:00:00:11", "02:00:00:00:00:12"),
    (
      #"{"runtimeConfig": {"mac": "02:00:00:00:00:12"}, "args": {"cni": {"mac": "02:00:00:00:00:13"}}}"#, "",
      "02:00:00:00:00:13"
    ),
  ])
  func `the MAC address source with the highest precedence is used`(keys: String, args: String, mac: String) throws {
    try Lab.use { lab in
      let bridged = try lab.add(try lab.bridge()).result()
      _ = try lab.tune(try lab.tuning(keys), bridged, args: args).result()
      #expect(try lab.tunables().first == mac)
    }
  }

  @Test func `settings that are only in args are applied`() throws {
    try Lab.use { lab in
      let bridged = try lab.add(try lab.bridge()).result()
      let config = try lab.tuning(#"{"args": {"cni": {"sysctl": {"net.ipv4.conf.IFNAME.rp_filter": "2"}}}}"#)
      _ = try lab.tune(config, bridged).result()
      #expect(try lab.sysctl("net/ipv4/conf/eth0/rp_filter", in: lab.container(1)) == "2")
      #expect(try lab.delete(config, plugin: "tuning").isSuccess)
      #expect(try lab.sysctl("net/ipv4/conf/eth0/rp_filter", in: lab.container(1)) != "2")
    }
  }

  @Test func `two tuning entries in one chain are restored by one DEL each, in any order`() throws {
    try Lab.use { lab in
      let bridged = try lab.add(try lab.bridge()).result()
      let before = try lab.tunables()
      let first = try lab.tuning(Lab.everyTuning)
      let second = try lab.tuning(#"{"mtu": 1300, "sysctl": {"net.ipv4.conf.IFNAME.rp_filter": "1"}}"#)
      for isReversed in [true, false] {
        _ = try lab.tune(second, try lab.tune(first, bridged).result()).result()
        #expect(try lab.tunables()[1] == "1300")
        for config in isReversed ? [second, first] : [first, second] {
          #expect(try lab.delete(config, plugin: "tuning").isSuccess)
        }
        #expect(try lab.tunables() == before)
        #expect(lab.backups() == [])
      }
    }
  }
}
