import CNI
import LabSupport
import Testing

// Group: link-kinds, needs 802.1q

/// Removed masters and namespaces, killed plugins; the last container stands for the network outside.
@Suite(.needsRoot)
struct LifeTests {
  private let keys = #"{"vlanId": 10}"#

  @Test func `DEL releases the addresses without master, namespace or CNI_NETNS`() throws {
    try Lab.use(containers: 3) { lab in
      try lab.addMaster()
      let config = try lab.upper("vlan", keys)
      try lab.add(config, plugin: "vlan").requireSuccess()
      try lab.shell("ip link delete m0", in: lab.host)
      for _ in 1...2 { #expect(try lab.delete(config, plugin: "vlan").isSuccess) }
      #expect(try lab.leases() == [])

      try lab.addMaster()
      try lab.add(config, to: 2, plugin: "vlan").requireSuccess()
      try lab.shell("ip netns delete \(lab.container(2))")
      var call = lab.call("DEL", config, on: 2, plugin: "vlan")
      #expect(try lab.run(call).isSuccess)
      #expect(try lab.leases() == [])
      call.variables["CNI_NETNS"] = ""
      #expect(try lab.run(call).isSuccess)
    }
  }

  @Test func `STATUS and ADD fail if the master is missing or down`() throws {
    try Lab.use(containers: 2) { lab in
      try lab.addMaster()
      let config = try lab.upper("vlan", keys)
      let missing = config.with("master", .string("m9"))
      #expect(try lab.ask("STATUS", missing, plugin: "vlan").code == 50)
      #expect(try lab.add(missing, plugin: "vlan").code == 7)
      try lab.shell("ip link set m0 down", in: lab.host)
      let status = try lab.ask("STATUS", config, plugin: "vlan"), refused = try lab.add(config, plugin: "vlan")
      #expect(status.code == 50 && status.complaint == "master m0 is down")
      #expect(refused.code == 100 && refused.complaint.contains("Network is down"))
      #expect(try lab.leases() == [])
      #expect(try lab.linkNames(in: lab.container(1)) == [])
    }
  }

  @Test func `DEL removes what a killed ADD or DEL left`() throws {
    try Lab.use(containers: 2) { lab in
      try lab.addMaster()
      try lab.expectNothingLeftByKills(of: "vlan", try lab.upper("vlan", keys), seed: 5)
    }
  }
}
