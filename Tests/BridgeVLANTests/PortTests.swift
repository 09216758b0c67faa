import CNI
import LabSupport
import Testing

/// The output of `bridge vlan` for a port, for each key of the configuration.
@Suite(.needsRoot)
struct PortTests {
  struct Port: CustomTestStringConvertible {
    var keys: String
    var vlans: [String]
    var testDescription: String { keys }

    init(_ keys: String, _ vlans: String...) { (self.keys, self.vlans) = (keys, vlans) }
  }

  static let ports = [
    Port(#"{"vlan": 10}"#, "10 PVID Egress Untagged"),
    Port(#"{"vlan": 10, "preserveDefaultVlan": false}"#, "10 PVID Egress Untagged"),
    Port(#"{"vlan": 10, "preserveDefaultVlan": true}"#, "1 Egress Untagged", "10 PVID Egress Untagged"),
    Port(#"{"vlan": 1}"#, "1 PVID Egress Untagged"),
    Port(#"{"vlan": 4094}"#, "4094 PVID Egress Untagged"),
    Port(#"{"vlanTrunk": [{"id": 20}]}"#, "1 PVID Egress Untagged", "20"),
    Port(#"{"vlanTrunk": [{"minID": 20, "maxID": 22}]}"#, "1 PVID Egress Untagged", "20-22"),
    Port(#"{"vlanTrunk": [{"id": 7}, {"minID": 6, "maxID": 8}, {"id": 9}]}"#, "1 PVID Egress Untagged", "6-9"),
    Port(#"{"vlanTrunk": [{"minID": 2, "maxID": 4094}]}"#, "1 PVID Egress Untagged", "2-4094"),
    Port(
      #"{"vlan": 10, "vlanTrunk": [{"id": 20}, {"minID": 30, "maxID": 31}]}"#, "10 PVID Egress Untagged", "20", "30-31"),
    Port(
      #"{"vlan": 10, "vlanTrunk": [{"id": 20}], "preserveDefaultVlan": true}"#, "1 Egress Untagged",
      "10 PVID Egress Untagged", "20"),
    Port(#"{"vlan": 10, "vlanTrunk": [{"id": 1}]}"#, "1", "10 PVID Egress Untagged"),
  ]

  @Test(arguments: ports)
  func `a port has the VLANs of its keys, and CHECK passes`(port: Port) throws {
    try Lab.use { lab in
      let config = try lab.network("net", port.keys)
      let result = try lab.add(config).result()
      #expect(try lab.vlans(of: result.port) == port.vlans)
      #expect(try lab.link("br0", in: lab.host)?.text("linkinfo.info_data.vlan_filtering") == "1")
      let outcome = try lab.check(config, result)
      #expect(outcome.isSuccess, "\(outcome)")
    }
  }

  @Test func `the bridge has an FDB entry for the container in each VLAN of its port`() throws {
    try Lab.use { lab in
      let result = try lab.add(lab.network("net", #"{"vlan": 10, "vlanTrunk": [{"minID": 20, "maxID": 21}]}"#)).result()
      let mac = try #require(result.text("interfaces.2.mac"))
      let entries = try lab.shell(
        "bridge fdb show br br0 | grep '^\(mac) ' | grep -o 'vlan [0-9]*' | sort -u | tr '\\n' ' '", in: lab.host)
      #expect(entries == "vlan 10 vlan 20 vlan 21 ")
    }
  }

  @Test(arguments: [#"{"vlan": 0}"#, #"{"vlanTrunk": []}"#, #"{"preserveDefaultVlan": true}"#])
  func `a network without VLAN keys makes a bridge without vlan_filtering`(keys: String) throws {
    try Lab.use { lab in
      _ = try lab.add(lab.network("net", keys)).result()
      #expect(try lab.link("br0", in: lab.host)?.text("linkinfo.info_data.vlan_filtering") == "0")
    }
  }

  @Test(arguments: [#"{"vlan": 10}"#, #"{"vlanTrunk": [{"id": 10}]}"#])
  func `a bridge without vlan_filtering is refused, and the command in the error fixes it`(keys: String) throws {
    try Lab.use { lab in
      try lab.shell("ip link add name br0 type bridge", in: lab.host)
      let before = try Snapshot(of: lab)
      let config = try lab.network("net", keys)
      let outcome = try lab.add(config)
      #expect(outcome.code == 7)
      #expect(outcome.complaint.contains("br0 does not filter VLANs"))
      try lab.expectUnchanged(since: before)
      let help = try #require(outcome.json?.text("details"))
      try lab.shell(help, in: lab.host)
      #expect(try lab.add(config).isSuccess)
    }
  }

  @Test func `a bridge with vlan_filtering and without default PVID can be used`() throws {
    try Lab.use(containers: 2) { lab in
      try lab.shell("ip link add name br0 type bridge vlan_filtering 1 vlan_default_pvid 0", in: lab.host)
      let config = try lab.network("net", #"{"vlan": 10, "isGateway": true}"#)
      let results = try (1...2).map { try lab.add(config, to: $0).result() }
      #expect(try lab.vlans(of: results[0].port) == ["10 PVID Egress Untagged"])
      #expect(
        try lab.answers(from: 1, to: results[1].addresses + ["10.77.0.1", "fd77::1"], want: true) == [
          true, true, true, true,
        ])
      #expect(try lab.check(config, results[0]).isSuccess)
    }
  }
}
