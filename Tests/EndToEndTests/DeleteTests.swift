import CNI
import LabSupport
import Testing

@Suite(.needsRoot)
struct DeleteTests {
  /// A network with an existing bridge, and a snapshot of the host before container 1 is attached.
  private func prepare(_ lab: Lab) throws -> (config: JSONValue, before: Snapshot) {
    let config = try lab.bridge(#"{"isGateway": true}"#, subnets: Families.dual.subnets)
    _ = try lab.add(config, to: 2).result()
    try lab.shell("ip link set lo up", in: lab.container(1))
    return (config, try Snapshot(of: lab))
  }

  @Test(arguments: [true, false])
  func `DEL removes everything with or without prevResult and can be repeated`(hasPrevious: Bool) throws {
    try Lab.use(containers: 2) { lab in
      let (config, before) = try prepare(lab)
      let result = try lab.add(config).result()
      for _ in 1...2 {
        let outcome = try lab.delete(hasPrevious ? config.with("prevResult", result) : config)
        #expect(outcome.isSuccess)
        #expect(outcome.output == "")
        try lab.expectUnchanged(since: before)
      }
    }
  }

  @Test(arguments: SpecVersion.allCases, Families.allCases)
  func `DEL works with the result of each version`(version: SpecVersion, families: Families) throws {
    try Lab.use { lab in
      let config = try lab.bridge(subnets: families.subnets, version: version)
      let result = try lab.add(config).result()
      #expect(try lab.delete(config.with("prevResult", result)).isSuccess)
      #expect(try lab.linkNames(in: lab.host) == ["br0"])
      #expect(try lab.leases() == [])
    }
  }

  @Test(arguments: ["", "/run/netns/not-there", "/etc/hostname", "/dev/null"])
  func `DEL without a usable namespace removes everything`(path: String) throws {
    try Lab.use(containers: 2) { lab in
      let (config, before) = try prepare(lab)
      _ = try lab.add(config).result()
      for _ in 1...2 {
        var call = lab.call("DEL", config, on: 1)
        call.variables["CNI_NETNS"] = path
        #expect(try lab.run(call).isSuccess)
        try lab.expectUnchanged(since: before)
      }
    }
  }

  @Test(arguments: [65, 300, 1024])
  func `a container ID may have 1,024 bytes`(length: Int) throws {
    try Lab.use(containers: 2) { lab in
      let (config, before) = try prepare(lab)
      let id = String(repeating: "a", count: length)
      func run(_ command: String, _ config: JSONValue) throws -> Outcome {
        var call = lab.call(command, config, on: 1)
        call.variables["CNI_CONTAINERID"] = id
        return try lab.run(call)
      }
      let attached = try config.with("prevResult", run("ADD", config).result())
      #expect(try run("CHECK", attached).isSuccess)
      for _ in 1...2 {
        let outcome = try run("DEL", attached)
        #expect(outcome.isSuccess, "\(outcome.output)")
        try lab.expectUnchanged(since: before)
      }
    }
  }

  @Test func `DEL without CNI_NETNS removes everything`() throws {
    try Lab.use(containers: 2) { lab in
      let (config, before) = try prepare(lab)
      _ = try lab.add(config).result()
      var call = lab.call("DEL", config, on: 1)
      call.variables["CNI_NETNS"] = nil
      #expect(try lab.run(call).isSuccess)
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `DEL releases the lease when the namespace is gone`() throws {
    try Lab.use(containers: 2) { lab in
      let config = try lab.bridge(#"{"isGateway": true}"#)
      _ = try lab.add(config, to: 1).result()
      let second = try lab.add(config, to: 2).result()
      try lab.shell("ip netns del \(lab.container(1))")
      #expect(try lab.delete(config).isSuccess)
      #expect(try lab.leases() == ["10.77.0.3"])
      #expect(try lab.linkNames(in: lab.host) == ["br0", second.text("interfaces.1.name")])
    }
  }

  @Test(arguments: [
    #"{"bridge": "br7"}"#, #"{"bridge": "no interface name at all"}"#, #"{"bridge": 5, "mtu": "high", "isGateway": 1}"#,
    #"{"ipMasq": true, "vlan": 5}"#, #"{"hairpinMode": true, "promiscMode": true}"#, #"{"mtu": 99999999}"#,
    #"{"prevResult": {"ips": "none"}}"#, #"{"runtimeConfig": {"ips": ["nonsense"], "mac": "nonsense"}}"#,
    #"{"args": 5}"#, #"{"dns": []}"#,
  ])
  func `DEL works after any change of the configuration`(keys: String) throws {
    try Lab.use(containers: 2) { lab in
      let (config, before) = try prepare(lab)
      _ = try lab.add(config).result()
      #expect(try lab.delete(try config.merging(JSONValue(json: keys))).isSuccess)
      try lab.expectUnchanged(since: before)
    }
  }

  @Test(arguments: [
    #"{"subnet": "10.200.0.0/24", "ranges": null}"#, #"{"ranges": [[{"subnet": "nonsense"}]]}"#, #"{"ranges": 5}"#,
    #"{"routes": [{"dst": "nonsense"}]}"#,
  ])
  func `DEL releases the lease after any change of the ranges`(ipam: String) throws {
    try Lab.use(containers: 2) { lab in
      let (config, before) = try prepare(lab)
      _ = try lab.add(config).result()
      let changed = try #require(config["ipam"]).merging(try JSONValue(json: ipam))
      #expect(try lab.delete(config.with("ipam", changed)).isSuccess)
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `DEL succeeds after a failed ADD and without ADD`() throws {
    try Lab.use(containers: 2) { lab in
      let (config, before) = try prepare(lab)
      #expect(try lab.delete(config).isSuccess)
      #expect(try lab.add(config, args: "IP=192.0.2.1").code != nil)
      #expect(try lab.delete(config).isSuccess)
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `ADD with the host's own namespace is refused with code 8 and changes nothing`() throws {
    try Lab.use { lab in
      let before = try Snapshot(of: lab)
      var call = lab.call("ADD", try lab.bridge(), on: 1)
      call.variables["CNI_NETNS"] = lab.path(lab.host)
      let outcome = try lab.run(call)
      #expect(outcome.code == 8)
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `DEL with the host's own namespace cleans up and returns code 8`() throws {
    try Lab.use(containers: 2) { lab in
      let (config, before) = try prepare(lab)
      _ = try lab.add(config).result()
      try lab.shell("ip link add eth0 type veth peer name other", in: lab.host)
      var call = lab.call("DEL", config, on: 1)
      call.variables["CNI_NETNS"] = lab.path(lab.host)
      #expect(try lab.run(call).code == 8)
      #expect(try lab.link("eth0", in: lab.host) != nil)
      try lab.shell("ip link del eth0", in: lab.host)
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `CNI_NETNS_OVERRIDE allows the plugin's own namespace`() throws {
    try Lab.use(containers: 2) { lab in
      let (config, before) = try prepare(lab)
      for command in ["ADD", "DEL"] {
        var call = lab.call(command, config, on: 1)
        call.variables["CNI_NETNS"] = lab.path(lab.host)
        call.variables["CNI_NETNS_OVERRIDE"] = "1"
        let outcome = try lab.run(call)
        #expect(outcome.isSuccess, "\(outcome)")
      }
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `DEL after a refused second ADD keeps the first network's interface`() throws {
    try Lab.use { lab in
      let first = try lab.bridge(#"{"isGateway": true}"#)
      let second = try lab.bridge(#"{"name": "second", "bridge": "br2"}"#, subnets: ["10.88.0.0/24"])
      let result = try lab.add(first).result()
      let before = try Snapshot(of: lab)
      let refused = try lab.add(second)
      #expect(refused.code == 104)
      #expect(refused.complaint.contains("eth0"))
      #expect(try lab.delete(second).isSuccess)
      try lab.expectUnchanged(since: before)
      #expect(try lab.check(first, result).isSuccess)
    }
  }

  @Test func `an interface that is already in the container is refused and stays`() throws {
    try Lab.use { lab in
      try lab.shell("ip link add eth0 type bridge", in: lab.container(1))
      let before = try Snapshot(of: lab)
      let config = try lab.bridge()
      #expect(try lab.add(config).code == 104)
      #expect(try lab.delete(config).isSuccess)
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `ADD of an existing attachment is refused, and the attachment stays`() throws {
    try Lab.use { lab in
      let config = try lab.bridge(#"{"isGateway": true}"#)
      let result = try lab.add(config).result()
      let before = try Snapshot(of: lab)
      #expect(try lab.add(config).code == 104)
      try lab.expectUnchanged(since: before)
      #expect(try lab.check(config, result).isSuccess)
    }
  }
}
