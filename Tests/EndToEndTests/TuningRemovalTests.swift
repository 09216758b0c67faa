import CNI
import LabSupport
import Testing

/// Errors of `tuning`, and its cleanup.
@Suite(.needsRoot)
struct TuningRemovalTests {
  /// The usual configuration with `keys`, and with a prevResult.
  private static func bad(_ keys: String, _ code: Int, _ fragments: String..., script: String = "") -> BadCall {
    let config = #"""
      {"cniVersion": "1.1.0", "name": "net", "type": "tuning", "dataDir": "DIR/tuning", \#(keys)
       "prevResult": {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": "/x"}]}}
      """#
    return BadCall(name: keys, plugin: "tuning", config: config, script: script, code: code, fragments: fragments)
  }

  static let bad: [BadCall] = [
    bad(#""mtu": 1400,"#, 7, "CNI_IFNAME eth0", "no such interface"),
    bad(#""sysctl": {"net.ipv4.nope": "1"},"#, 7, "net/ipv4/nope"),
    bad(#""sysctl": {"kernel.shmmax": "1"},"#, 7, "kernel.shmmax"),
    bad(#""sysctl": {"net/ipv4/ip_forward": "1", "net.ipv4.ip_forward": "1"},"#, 7, "both net/ipv4/ip_forward"),
    bad(#""sysctl": {"net.ipv4.ip_forward": "1", "net.ipv4.ip_forward": "1"},"#, 6, "duplicate"),
    bad(#""sysctl": {"net.ipv4.ip_forward": "1", "net.ipv4.ip_default_ttl": "no"},"#, 100, "ip_default_ttl", "Invalid"),
    bad(#""sysctl": {"net.ipv4.ip_forward": "1", "net.ipv4": "1"},"#, 100, "directory"),
    BadCall(
      name: "without prevResult", plugin: "tuning",
      config: #"{"cniVersion": "1.1.0", "name": "net", "type": "tuning", "mtu": 1400}"#, code: 7,
      fragments: ["prevResult", "chained"]),
    BadCall(
      name: "STATUS", plugin: "tuning", command: "STATUS",
      config: #"{"cniVersion": "1.1.0", "name": "net", "type": "tuning", "dataDir": "/proc/tuning"}"#, code: 50,
      fragments: ["/proc/tuning"]),
  ]

  @Test(arguments: bad)
  func `an invalid tuning configuration is refused and leaves nothing`(call: BadCall) throws {
    try call.expectRefusal()
  }

  @Test func `an ADD that the kernel refuses halfway leaves nothing`() throws {
    try Lab.use { lab in
      let bridged = try lab.add(try lab.bridge()).result()
      let before = (try lab.tunables(), try Snapshot(of: lab))
      for keys in [#"{"mtu": 70000}"#, #"{"sysctl": {"net.ipv4.ip_local_port_range": "9 1"}}"#] {
        let config = try lab.tuning(Lab.everyTuning).merging(try JSONValue(json: keys))
        let outcome = try lab.tune(config, bridged)
        #expect(outcome.code == 100, "\(outcome)")
        #expect(try lab.tunables() == before.0)
        try lab.expectUnchanged(since: before.1)
        #expect(lab.backups() == [])
      }
    }
  }

  @Test func `an ADD whose result cannot be written leaves nothing`() throws {
    try Lab.use { lab in
      let bridged = try lab.add(try lab.bridge()).result()
      let before = try lab.tunables()
      let call = lab.call("ADD", try lab.tuning(Lab.everyTuning).with("prevResult", bridged), on: 1, plugin: "tuning")
      let outcome = try lab.run(
        "/bin/sh", ["-c", "\(Binaries.ours)/tuning >/dev/full"], in: lab.host, environment: lab.environment(call),
        input: call.config)
      #expect(!outcome.isSuccess)
      #expect(try lab.tunables() == before)
      #expect(lab.backups() == [])
    }
  }

  @Test(arguments: ["", "/run/netns/not-there", "/etc/hostname"])
  func `DEL without the namespace removes the backup`(path: String) throws {
    try Lab.use { lab in
      let config = try lab.tuning(Lab.everyTuning)
      _ = try lab.tune(config, try lab.add(try lab.bridge()).result()).result()
      var call = lab.call("DEL", config, on: 1, plugin: "tuning")
      call.variables["CNI_NETNS"] = path
      for _ in 1...2 { #expect(try lab.run(call).isSuccess) }
      #expect(lab.backups() == [])
    }
  }

  @Test(arguments: [#"{"sysctl": 1, "mtu": "x"}"#, #"{"mtu": 1200}"#, "{}"])
  func `DEL works after the configuration was changed`(keys: String) throws {
    try Lab.use { lab in
      let bridged = try lab.add(try lab.bridge()).result()
      let before = try lab.tunables()
      _ = try lab.tune(try lab.tuning(Lab.everyTuning), bridged).result()
      #expect(try lab.delete(try lab.tuning(keys), plugin: "tuning").isSuccess)
      #expect(try lab.tunables() == before)
      #expect(lab.backups() == [])
    }
  }

  @Test func `DEL works if the interface is gone`() throws {
    try Lab.use { lab in
      let config = try lab.tuning(Lab.everyTuning)
      _ = try lab.tune(config, try lab.add(try lab.bridge()).result()).result()
      try lab.shell("ip link del eth0", in: lab.container(1))
      let outcome = try lab.delete(config, plugin: "tuning")
      #expect(outcome.isSuccess, "\(outcome)")
      #expect(try lab.sysctl("net/ipv4/ip_forward", in: lab.container(1)) == "0")
      #expect(lab.backups() == [])
    }
  }

  @Test func `GC removes backups of attachments that are not valid`() throws {
    try Lab.use { lab in
      let config = try lab.tuning(#"{"mtu": 1400}"#)
      _ = try lab.tune(config, try lab.add(try lab.bridge()).result()).result()
      let backups = lab.backups()
      func collect(_ keys: (JSONValue) -> JSONValue) throws {
        let outcome = try lab.ask("GC", keys(config), plugin: "tuning")
        #expect(outcome.isSuccess && outcome.output == "", "\(outcome)")
      }
      let own = JSONValue.object(["containerID": .string(lab.container(1)), "ifname": "eth0"])
      try collect { $0 }
      try collect { $0.with("cni.dev/valid-attachments", .array([own])) }
      try collect { $0.with("cni.dev/valid-attachments", .array([])).with("name", "other") }
      #expect(lab.backups() == backups)
      try collect { $0.with("cni.dev/valid-attachments", .array([])) }
      #expect(lab.backups() == [])
      #expect(try lab.ask("STATUS", config, plugin: "tuning").isSuccess)
    }
  }

  @Test(arguments: [("^net\\.ipv4\\.", true), ("^net\\.core\\.", false)])
  func `a sysctl that is not on the host's allow list is refused`(list: String, isAllowed: Bool) throws {
    try Lab.use { lab in
      let bridged = try lab.add(try lab.bridge()).result()
      let call = lab.call("ADD", try lab.tuning(Lab.everyTuning).with("prevResult", bridged), on: 1, plugin: "tuning")
      let script = """
        mount -t tmpfs tmpfs /etc/cni; mkdir /etc/cni/tuning; echo '\(list)' > /etc/cni/tuning/allowlist.conf
        exec \(Binaries.ours)/tuning
        """
      let outcome = try lab.run(
        "/usr/bin/unshare", ["--mount", "/bin/sh", "-ec", script], in: lab.host,
        environment: lab.environment(call) + ["PATH=/usr/bin:/bin"], input: call.config)
      #expect(outcome.isSuccess == isAllowed, "\(outcome)")
      #expect(isAllowed || outcome.code == 7)
      #expect(try (lab.tunables() == Lab.everyTuned) == isAllowed)
    }
  }
}
