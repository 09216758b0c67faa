import CNI
import LabSupport
import Testing

// Group: link-kinds, needs dummy

@Suite(.needsRoot)
struct DummyTests {
  private func network(_ lab: Lab, _ keys: String = "{}") throws -> JSONValue {
    try lab.upper("dummy", ipam: #"{"routes": [{"dst": "198.51.100.0/24"}]}"#).without("master")
      .merging(try JSONValue(json: keys))
  }

  @Test func `a program in the container can listen on the dummy addresses, and other hosts do not see them`() throws {
    try Lab.use(containers: 1) { lab in
      try lab.shell("ip link set lo up", in: lab.container(1))
      let before = try Snapshot(of: lab), inside = lab.container(1)
      let config = try network(lab)
      let result = try lab.add(config, plugin: "dummy").result()
      let answers = try lab.answers(
        to: ["10.77.0.2", "fd77::2"].map { Probe(from: inside, to: $0, .tcp, 5000, patience: 5) },
        servers: [Server("here", in: inside, .tcp, 5000)])
      #expect(
        answers == [
          .by("here", seeing: "10.77.0.2", keptPort: true), .by("here", seeing: "fd77::2", keptPort: true),
        ])
      #expect(try lab.linkNames(in: lab.host) == [])
      let link = try lab.link("eth0", in: inside)
      #expect(link?.text("linkinfo.info_kind") == "dummy")
      #expect(result.list("interfaces").count == 1)
      #expect(result.text("interfaces.0.mac") == link?.text("address"))
      #expect(try lab.route("198.51.100.0/24", in: inside)?.text("gateway") == "10.77.0.1")
      #expect(try lab.add(config, plugin: "dummy").code == 104)
      #expect(try lab.check(config, result, plugin: "dummy").isSuccess)
      for _ in 1...2 { #expect(try lab.delete(config, plugin: "dummy").isSuccess) }
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `CHECK names each difference`() throws {
    try Lab.use(containers: 1) { lab in
      let config = try network(lab, #"{"runtimeConfig": {"mac": "02:00:00:00:00:07"}}"#)
      let result = try lab.add(config, plugin: "dummy").result()
      #expect(result.text("interfaces.0.mac") == "02:00:00:00:00:07")
      try lab.shell("ip address delete 10.77.0.2/24 dev eth0; ip link set eth0 down", in: lab.container(1))
      let outcome = try lab.check(config, result, plugin: "dummy")
      #expect(outcome.code == 101)
      for part in [
        "container address 10.77.0.2/24 is missing on eth0", "container link eth0 has state up false, want true",
        "container route 198.51.100.0/24 via 10.77.0.1 on eth0 is missing",
      ] { #expect(outcome.complaint.contains(part)) }
    }
  }

  @Test func `STATUS succeeds, and DEL releases the addresses if the namespace is gone`() throws {
    try Lab.use(containers: 1) { lab in
      let config = try network(lab)
      #expect(try lab.ask("STATUS", config, plugin: "dummy").isSuccess)
      #expect(try lab.linkNames(in: lab.host) == [])
      try lab.add(config, plugin: "dummy").requireSuccess()
      try lab.shell("ip netns delete \(lab.container(1))")
      #expect(try lab.delete(config, plugin: "dummy").isSuccess)
      #expect(try lab.leases() == [])
    }
  }

  @Test func `DEL removes what a killed ADD or DEL left`() throws {
    try Lab.use(containers: 1) { lab in
      try lab.expectNothingLeftByKills(of: "dummy", try network(lab), seed: 6)
    }
  }
}
