import CNI
import LabSupport
import Testing

/// `tuning` killed at any time, and in turn with the reference's `tuning`.
@Suite(.needsRoot)
struct TuningReferenceTests {
  /// Keys that Debian's version of the reference supports.
  static let common = #"{"mac": "02:00:00:00:00:09", "mtu": 1400, "promisc": true, "allmulti": true}"#

  // Debian's plugins support no version after 1.0.0.
  @Test(arguments: [true, false], SpecVersion.allCases.filter { $0 <= .v1_0_0 })
  func `our plugin and the reference plugin restore each other's changes`(isOursFirst: Bool, version: SpecVersion)
    throws
  {
    try Lab.use { lab in
      let bridged = try lab.add(try lab.bridge(version: version)).result()
      let before = try lab.tunables()
      let config = try lab.tuning(Self.common, version)
      var call = lab.call("ADD", config.with("prevResult", bridged), on: 1, plugin: "tuning")
      call.directory = isOursFirst ? Binaries.ours : Binaries.reference
      _ = try lab.run(call).result()
      #expect(try lab.tunables()[0...1] == ["02:00:00:00:00:09", "1400"])
      #expect(try lab.tunables()[3] == "ALLMULTI PROMISC")
      call = lab.call("DEL", config, on: 1, plugin: "tuning")
      call.directory = isOursFirst ? Binaries.reference : Binaries.ours
      let outcome = try lab.run(call)
      #expect(outcome.isSuccess, "\(outcome)")
      #expect(try lab.tunables() == before)
      #expect(lab.backups() == [])
    }
  }

  @Test func `our plugin and the reference plugin make the same changes`() throws {
    try Lab.use { lab in
      let bridged = try lab.add(try lab.bridge(version: .v1_0_0)).result()
      let config = try lab.tuning(Self.common, .v1_0_0)
        .merging(try JSONValue(json: #"{"sysctl": {"net.ipv4.conf.IFNAME.rp_filter": "2"}}"#))
      var made: [[String]] = [], results: [JSONValue] = []
      for directory in [Binaries.reference, Binaries.ours] {
        var call = lab.call("ADD", config.with("prevResult", bridged), on: 1, plugin: "tuning")
        call.directory = directory
        results.append(try lab.run(call).result().without("dns"))
        made.append(try lab.tunables())
        #expect(try lab.delete(config, plugin: "tuning").isSuccess)
      }
      #expect(made[0] == made[1])
      #expect(results[0] == results[1])
    }
  }

  /// Runs a call and kills it after this time, at most 999,999 microseconds.
  private func run(_ call: PluginCall, in lab: Lab, killedAfter microseconds: Int) throws -> Outcome {
    let digits = "\(microseconds)"
    let seconds = "0.\(String(repeating: "0", count: 6 - digits.count))\(digits)"
    return try lab.run(
      "/usr/bin/timeout", ["--signal=KILL", seconds, "\(call.directory)/\(call.plugin)"], in: lab.host,
      environment: lab.environment(call), input: call.config)
  }

  @Test func `DEL restores what a killed ADD or DEL left`() throws {
    try Lab.use { lab in
      let bridged = try lab.add(try lab.bridge()).result()
      let before = try lab.tunables()
      let config = try lab.tuning(Lab.everyTuning)
      var killed = 0
      for round in 0..<50 {
        let isADD = !round.isMultiple(of: 3)
        if !isADD { _ = try lab.tune(config, bridged).result() }
        let call = lab.call(
          isADD ? "ADD" : "DEL", config.with("prevResult", bridged), on: 1, plugin: "tuning")
        if try run(call, in: lab, killedAfter: 100 + round * 80).status == 137 { killed += 1 }
        let cleaning = try lab.delete(config, plugin: "tuning")
        #expect(cleaning.isSuccess, "\(cleaning)")
        #expect(try lab.tunables() == before)
        #expect(lab.backups() == [])
      }
      // If no plugin was killed, the delays do not fit the plugin and the test shows nothing.
      #expect(killed > 0)
    }
  }
}
