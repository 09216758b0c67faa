import CNI
import LabSupport
import Testing

/// Networks without a configured subnet, VLANs, and concurrent plugins in one container.
@Suite(.needsRoot)
struct SubnetTests {
  @Test func `without a subnet the addresses come from the bridge's subnet`() throws {
    try Lab.use { lab in
      try lab.shell("ip link add br0 type bridge; ip link set br0 up; ip addr add 10.66.0.1/24 dev br0", in: lab.host)
      let config = try lab.bridge(#"{"isDefaultGateway": true}"#, ipam: #"{"ranges": []}"#)
      let result = try lab.add(config).result()
      #expect(result.text("ips.0.address") == "10.66.0.2/24")
      #expect(result.text("ips.0.gateway") == "10.66.0.1")
      #expect(try lab.pings("10.66.0.1", from: lab.container(1)))
      #expect(try lab.delete(config).isSuccess)
      #expect(try lab.leases() == [])
    }
  }

  @Test(arguments: [("auto", "."), ("auto-ipv6", ":")])
  func `an automatic subnet is unused on the host and does not change`(subnet: String, separator: Character) throws {
    try Lab.use(containers: 2) { lab in
      let config = try lab.bridge(#"{"isGateway": true}"#, subnets: [subnet])
      let first = try lab.add(config, to: 1).result()
      let second = try lab.add(config, to: 2).result()
      let other = try lab.bridge(#"{"name": "other", "bridge": "br1", "isGateway": true}"#, subnets: [subnet])
      let elsewhere = try lab.add(other, to: 1, as: "eth1").result()
      func gateway(_ result: JSONValue) -> String? { result.text("ips.0.gateway") }
      #expect(gateway(first)?.contains(separator) == true)
      #expect(gateway(first) == gateway(second))
      #expect(gateway(first) != gateway(elsewhere))
      #expect(try lab.pings(gateway(first) ?? "", from: lab.container(2)))
    }
  }

  /// Whether bridges of this kernel support VLANs.
  private func knowsVLANs(_ lab: Lab) throws -> Bool {
    let outcome = try lab.run(
      "/bin/sh", ["-c", "ip link add probe type bridge vlan_filtering 1; s=$?; ip link del probe; exit $s"],
      in: lab.host)
    return outcome.isSuccess
  }

  @Test func `the port has only its VLAN, or ADD leaves nothing if the kernel refuses VLANs`() throws {
    try Lab.use { lab in
      let before = try Snapshot(of: lab)
      let config = try lab.bridge(#"{"vlan": 100}"#)
      let outcome = try lab.add(config)
      if try knowsVLANs(lab) {
        let port = try outcome.result().text("interfaces.1.name") ?? ""
        let vlans = try lab.json("bridge -j vlan show dev \(port)", in: lab.host).list("0.vlans")
        #expect(vlans.map { $0.text("vlan") } == ["100"])
      } else {
        #expect(outcome.code == 100)
        #expect(outcome.complaint.contains("VLAN"))
        try lab.expectUnchanged(since: before)
      }
    }
  }

  @Test func `loopback and several networks can be attached to one container at once`() throws {
    try Lab.use { lab in
      let calls = [
        lab.call(
          "ADD", try JSONValue(json: #"{"name": "lo", "type": "loopback"}"#), on: 1, as: "lo", plugin: "loopback"),
        lab.call("ADD", try lab.bridge(#"{"isGateway": true}"#), on: 1),
        lab.call(
          "ADD", try lab.bridge(#"{"name": "n1", "bridge": "br1"}"#, subnets: ["10.88.0.0/24"]), on: 1, as: "eth1"),
      ]
      var script = "children=\n"
      for (index, call) in calls.enumerated() {
        try lab.shell("cat > \(lab.directory)/config.\(index) <<'END'\n\(call.config)\nEND")
        script += """
          env -i \(lab.environment(call).map { "'\($0)'" }.joined(separator: " ")) \(call.directory)/\(call.plugin) \\
            < \(lab.directory)/config.\(index) &
          children="$children $!"\n
          """
      }
      try lab.shell(script + "for child in $children; do wait $child; done", in: lab.host)
      #expect(try lab.linkNames(in: lab.container(1)) == ["eth0", "eth1"])
      #expect(try lab.pings("127.0.0.1", from: lab.container(1)))
      #expect(try lab.pings("10.77.0.1", from: lab.container(1)))
    }
  }
}
