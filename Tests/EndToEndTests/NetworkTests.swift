import CNI
import LabSupport
import Testing

/// STATUS, GC and VERSION, which concern a network and not a container.
@Suite(.needsRoot)
struct NetworkTests {
  @Test func `STATUS succeeds while an address is free and returns code 50 if none is free`() throws {
    try Lab.use { lab in
      let config = try lab.bridge(subnets: ["10.77.0.0/30"])
      #expect(try lab.ask("STATUS", config).isSuccess)
      _ = try lab.add(config).result()
      let outcome = try lab.ask("STATUS", config)
      #expect(outcome.code == 50)
      #expect(outcome.complaint.contains("10.77.0"))
      #expect(try lab.delete(config).isSuccess)
      #expect(try lab.ask("STATUS", config).isSuccess)
    }
  }

  @Test(arguments: Families.allCases)
  func `STATUS prints nothing and changes nothing`(families: Families) throws {
    try Lab.use { lab in
      let before = try Snapshot(of: lab)
      let outcome = try lab.ask("STATUS", try lab.bridge(#"{"isGateway": true}"#, subnets: families.subnets))
      #expect(outcome.isSuccess)
      #expect(outcome.output == "")
      try lab.expectUnchanged(since: before)
    }
  }

  @Test(arguments: ["GC", "STATUS"], SpecVersion.allCases.filter { $0 < .v1_1_0 })
  func `GC and STATUS are refused before 1.1.0`(command: String, version: SpecVersion) throws {
    try Lab.use { lab in
      let outcome = try lab.ask(command, try lab.bridge(version: version))
      #expect(outcome.code == 1)
    }
  }

  @Test(arguments: ["{}", #"{"cni.dev/valid-attachments": null}"#, #"{"cni.dev/attachments": []}"#])
  func `GC without the list of valid attachments removes nothing`(keys: String) throws {
    try Lab.use { lab in
      let config = try lab.bridge(#"{"isGateway": true}"#)
      _ = try lab.add(config).result()
      let before = try Snapshot(of: lab)
      #expect(try lab.ask("GC", try config.merging(JSONValue(json: keys))).isSuccess)
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `GC keeps valid attachments, and with an empty list removes everything and our bridge`() throws {
    try Lab.use(containers: 3) { lab in
      let config = try lab.bridge(#"{"isGateway": true}"#)
      let results = try (1...3).map { try lab.add(config, to: $0).result() }
      #expect(try lab.collectGarbage(config, keeping: [2]).isSuccess)
      let kept = results[1].text("interfaces.1.name") ?? ""
      #expect(try lab.linkNames(in: lab.host) == ["br0", kept])
      #expect(try lab.leases() == ["10.77.0.3"])
      #expect(try lab.linkNames(in: lab.container(1)) == [])
      #expect(try lab.check(config, results[1], on: 2).isSuccess)

      #expect(try lab.collectGarbage(config, keeping: []).isSuccess)
      #expect(try lab.linkNames(in: lab.host) == [])
      #expect(try lab.leases() == [])
    }
  }

  @Test func `GC of one network keeps another network on the same bridge`() throws {
    try Lab.use(containers: 2) { lab in
      let mine = try lab.bridge(#"{"isGateway": true}"#)
      let other = try lab.bridge(#"{"name": "other"}"#)
      _ = try lab.add(mine, to: 1).result()
      let result = try lab.add(other, to: 2).result()
      #expect(try lab.collectGarbage(mine, keeping: []).isSuccess)
      #expect(try lab.linkNames(in: lab.host) == ["br0", result.text("interfaces.1.name")])
      #expect(try lab.leases(of: "net") == [])
      #expect(try lab.leases(of: "other") == ["10.77.0.2"])
      #expect(try lab.check(other, result, on: 2).isSuccess)
    }
  }

  @Test(
    arguments: ["bridge", "none", "loopback", "host", "tuning", "ipam-host-local", "host-local"], SpecVersion.allCases)
  func `VERSION returns the given version and lists all supported versions`(plugin: String, version: SpecVersion) throws
  {
    try Lab.use(containers: 0) { lab in
      let config = JSONValue.object(["cniVersion": .string(version.rawValue)])
      let answer = try lab.ask("VERSION", config, plugin: plugin).result()
      #expect(answer.text("cniVersion") == version.rawValue)
      #expect(answer.list("supportedVersions").map(\.string) == SpecVersion.allCases.map(\.rawValue))
    }
  }

  @Test(arguments: ["bridge", "none", "loopback", "host", "tuning", "ipam-host-local", "host-local"])
  func `a plugin without CNI_COMMAND prints its name and versions`(plugin: String) throws {
    try Lab.use(containers: 0) { lab in
      let outcome = try lab.run("\(Binaries.ours)/\(plugin)", in: lab.host)
      #expect(outcome.isSuccess)
      #expect(outcome.output == "")
      let lines = outcome.errors.split(separator: "\n")
      #expect(lines.first?.wholeMatch(of: /CNI ([a-z-]+) plugin v\d+\.\d+\.\d+/)?.1 == Substring(plugin))
      #expect(lines.last == "CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0")
    }
  }
}
