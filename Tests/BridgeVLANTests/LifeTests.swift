import CNI
import LabSupport
import Testing

/// CHECK, DEL and GC of attachments in VLANs.
@Suite(.needsRoot)
struct LifeTests {
  static let keys = #"{"vlan": 10, "vlanTrunk": [{"id": 20}, {"minID": 30, "maxID": 32}], "isGateway": true}"#

  /// A change that another program makes, and the text that CHECK must report.
  struct Tampering: CustomTestStringConvertible {
    /// Runs on the host; `$port` is the host end.
    var script: String
    var fragments: [String]
    var testDescription: String { script }

    init(_ script: String, _ fragments: String...) { (self.script, self.fragments) = (script, fragments) }
  }

  static let tamperings = [
    Tampering("bridge vlan del dev $port vid 10", "$port", "native VLAN none", "want 10"),
    Tampering("bridge vlan add dev $port vid 11 pvid untagged", "$port", "native VLAN 11", "want 10"),
    Tampering("bridge vlan del dev $port vid 20", "$port", "does not pass VLAN 20"),
    Tampering("bridge vlan del dev $port vid 31-32", "$port", "does not pass VLAN 31"),
    Tampering("bridge vlan add dev $port vid 1", "$port", "passes VLAN 1"),
    Tampering("bridge vlan del dev br0-10 vid 10", "br0-10", "native VLAN none"),
    Tampering("ip address del 10.77.0.1/24 dev br0.10", "10.77.0.1/24", "br0.10"),
    Tampering("ip link del br0.10", "br0.10", "br0-10"),
  ]

  @Test(arguments: tamperings)
  func `CHECK names what was changed after ADD`(tampering: Tampering) throws {
    try Lab.use { lab in
      let config = try lab.network("net", Self.keys)
      let result = try lab.add(config).result()
      #expect(try lab.check(config, result).isSuccess)
      try lab.shell("port=\(result.port)\n\(tampering.script)", in: lab.host)
      let outcome = try lab.check(config, result)
      #expect(outcome.code == 101)
      for word in tampering.fragments {
        let wanted = word == "$port" ? result.port : word
        #expect(outcome.complaint.contains(wanted), "\(outcome.complaint)")
      }
    }
  }

  @Test func `CHECK reports that the bridge no longer filters VLANs`() throws {
    try Lab.use { lab in
      let config = try lab.network("net", Self.keys)
      let result = try lab.add(config).result()
      try lab.shell("ip link set br0 type bridge vlan_filtering 0", in: lab.host)
      let outcome = try lab.check(config, result)
      #expect(!outcome.isSuccess)
      #expect(outcome.complaint.contains("br0 does not filter VLANs"))
    }
  }

  @Test(arguments: [true, false])
  func `DEL removes everything of the container with or without its namespace`(hasNamespace: Bool) throws {
    try Lab.use(containers: 2) { lab in
      let config = try lab.network("net", Self.keys)
      _ = try lab.add(config, to: 2).result()
      try lab.shell("ip link set lo up", in: lab.container(1))
      let before = try Snapshot(of: lab), vlans = try lab.shell("bridge vlan show", in: lab.host)
      _ = try lab.add(config, to: 1).result()
      var call = lab.call("DEL", config, on: 1)
      if !hasNamespace { call.variables["CNI_NETNS"] = "" }
      for _ in 1...2 {
        try lab.run(call).requireSuccess()
        try lab.expectUnchanged(since: before)
        #expect(try lab.shell("bridge vlan show", in: lab.host) == vlans)
      }
    }
  }

  @Test func `GC keeps the VLAN gateway while a container is valid, then removes everything`() throws {
    try Lab.use(containers: 2) { lab in
      for number in 1...2 { try lab.shell("ip link set lo up", in: lab.container(number)) }
      try lab.shell("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1", in: lab.host)
      let before = try Snapshot(of: lab)
      let config = try lab.network("net", Self.keys)
      let results = try (1...2).map { try lab.add(config, to: $0).result() }
      try lab.collectGarbage(config, keeping: [2]).requireSuccess()
      #expect(try lab.linkNames(in: lab.host) == ["br0", "br0-10", "br0.10", results[1].port])
      #expect(try lab.check(config, results[1], on: 2).isSuccess)
      try lab.collectGarbage(config, keeping: []).requireSuccess()
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `an ADD without a free address or without a namespace leaves nothing`() throws {
    try Lab.use(containers: 2) { lab in
      let keys = #"{"name": "small", "vlan": 10, "vlanTrunk": [{"id": 20}], "isGateway": true}"#
      let config = try lab.bridge(keys, subnets: ["10.77.0.0/30"])
      let first = try lab.add(config, to: 1).result()
      let before = try Snapshot(of: lab), vlans = try lab.shell("bridge vlan show", in: lab.host)
      #expect(try lab.add(config, to: 2).code == 102)
      try lab.delete(config, from: 1).requireSuccess()
      var call = lab.call("ADD", config, on: 2)
      call.variables["CNI_NETNS"] = "/run/netns/not-there"
      #expect(try !lab.run(call).isSuccess)
      _ = try lab.add(config, to: 1).result()
      #expect(first.port == (try lab.linkNames(in: lab.host).last))
      #expect(try lab.shell("bridge vlan show", in: lab.host) == vlans)
      #expect(
        try Snapshot(of: lab).changes(since: before).filter { !$0.contains(first.port) && !$0.contains("eth0") } == [])
    }
  }
}
