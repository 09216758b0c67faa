import CNI
import LabSupport
import Testing

/// Removed masters and namespaces, killed plugins; the last container stands for the network outside.
@Suite(.needsRoot)
struct LifeTests {
  @Test func `the error explains that the master has links of another kind or is a bridge port`() throws {
    try Lab.use(containers: 3) { lab in
      try lab.addMaster()
      let ipvlan = try lab.upper("ipvlan"), macvlan = try lab.upper("macvlan", #"{"name": "mac"}"#)
      try lab.add(ipvlan, plugin: "ipvlan").requireSuccess()
      let before = try Snapshot(of: lab)
      let late = try lab.add(macvlan, to: 2, plugin: "macvlan")
      #expect(late.code == 100 && late.complaint.contains("busy (m0 has ipvlan links"))
      let status = try lab.ask("STATUS", macvlan, plugin: "macvlan")
      #expect(status.code == 50 && status.complaint.contains("m0 has ipvlan links"))
      #expect(try lab.ask("STATUS", ipvlan, plugin: "ipvlan").isSuccess)
      try lab.expectUnchanged(since: before)

      try lab.delete(ipvlan, plugin: "ipvlan").requireSuccess()
      try lab.add(macvlan, to: 2, plugin: "macvlan").requireSuccess()
      let refused = try lab.add(ipvlan, plugin: "ipvlan"), again = try lab.ask("STATUS", ipvlan, plugin: "ipvlan")
      #expect(refused.code == 100 && refused.complaint.contains("busy (m0 has macvlan links"))
      #expect(again.code == 50 && again.complaint.contains("m0 has macvlan links"))

      try lab.delete(macvlan, from: 2, plugin: "macvlan").requireSuccess()
      try lab.shell("ip link add br0 type bridge && ip link set m0 master br0", in: lab.host)
      let port = try lab.ask("STATUS", ipvlan, plugin: "ipvlan")
      #expect(port.code == 50 && port.complaint.contains("or is a port of a bridge"))
    }
  }

  @Test func `STATUS reports a missing master and leaves links on it unchanged`() throws {
    try Lab.use(containers: 3) { lab in
      try lab.addMaster()
      let config = try lab.upper("ipvlan", #"{"mode": "l3"}"#)
      #expect(try lab.ask("STATUS", config.with("master", .string("m9")), plugin: "ipvlan").code == 50)
      try lab.add(config, plugin: "ipvlan").requireSuccess()
      let before = try Snapshot(of: lab)
      // STATUS does not try a link in another mode: that would change the mode of the existing link.
      #expect(try lab.ask("STATUS", config.with("mode", .string("l2")), plugin: "ipvlan").isSuccess)
      try lab.expectUnchanged(since: before)
      try lab.shell("ip link set m0 down", in: lab.host)
      // STATUS accepts a master that is down: its links come up when it does.
      #expect(try lab.ask("STATUS", config, plugin: "ipvlan").isSuccess)
      try lab.add(config, to: 2, plugin: "ipvlan").requireSuccess()
    }
  }

  @Test func `CHECK reports that another network changed the mode of all links on the master`() throws {
    try Lab.use(containers: 2) { lab in
      try lab.addMaster()
      let config = try lab.upper("ipvlan", #"{"mode": "l3"}"#)
      let result = try lab.add(config, plugin: "ipvlan").result()
      try lab.shell("ip link add x0 link m0 type ipvlan mode l2 private", in: lab.host)
      let outcome = try lab.check(config, result, plugin: "ipvlan")
      #expect(outcome.code == 101)
      #expect(outcome.complaint.contains("is ipvlan l2 private, want ipvlan l3 bridge"))
    }
  }

  @Test func `DEL needs no master, namespace or path and releases the addresses`() throws {
    try Lab.use(containers: 3) { lab in
      try lab.addMaster()
      let config = try lab.upper("ipvlan")
      try lab.add(config, plugin: "ipvlan").requireSuccess()
      try lab.shell("ip link delete m0", in: lab.host)
      for _ in 1...2 { #expect(try lab.delete(config, plugin: "ipvlan").isSuccess) }
      #expect(try lab.leases() == [])

      try lab.addMaster()
      try lab.add(config, to: 2, plugin: "ipvlan").requireSuccess()
      try lab.shell("ip netns delete \(lab.container(2))")
      var call = lab.call("DEL", config, on: 2, plugin: "ipvlan")
      #expect(try lab.run(call).isSuccess)
      #expect(try lab.leases() == [])
      call.variables["CNI_NETNS"] = ""
      #expect(try lab.run(call).isSuccess)
    }
  }

  @Test func `DEL removes what a killed ADD or DEL left`() throws {
    try Lab.use(containers: 2) { lab in
      try lab.addMaster()
      try lab.expectNothingLeftByKills(of: "ipvlan", try lab.upper("ipvlan"), seed: 4)
    }
  }
}
