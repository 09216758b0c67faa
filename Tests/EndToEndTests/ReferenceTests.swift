import CNI
import LabSupport
import Testing

/// Changes from the reference plugins to ours and back while containers run.
@Suite(.needsRoot)
struct ReferenceTests {
  // Debian's plugins support no version after 1.0.0.
  @Test(arguments: [true, false], SpecVersion.allCases.filter { $0 <= .v1_0_0 })
  func `our plugin and the reference plugin remove each other's attachments`(isOursFirst: Bool, version: SpecVersion)
    throws
  {
    try Lab.use { lab in
      let config = try lab.bridge(#"{"isGateway": true}"#, version: version)
      var call = lab.call("ADD", config, on: 1)
      call.directory = isOursFirst ? Binaries.ours : Binaries.reference
      let result = try lab.run(call).result()
      #expect(try lab.leases() == ["10.77.0.2"])
      call.command = "DEL"
      call.config = config.with("prevResult", result).line
      call.directory = isOursFirst ? Binaries.reference : Binaries.ours
      let outcome = try lab.run(call)
      #expect(outcome.isSuccess, "\(outcome)")
      #expect(try lab.linkNames(in: lab.host) == ["br0"])
      #expect(try lab.linkNames(in: lab.container(1)) == [])
      #expect(try lab.leases() == [])
    }
  }

  @Test func `a container of the reference plugin and one of ours reach each other on one bridge`() throws {
    try Lab.use(containers: 2) { lab in
      let config = try lab.bridge(#"{"isGateway": true}"#, version: .v1_0_0)
      var call = lab.call("ADD", config, on: 1)
      call.directory = Binaries.reference
      _ = try lab.run(call).result()
      let result = try lab.add(config, to: 2).result()
      #expect(result.text("ips.0.address") == "10.77.0.3/24")
      #expect(try lab.pings("10.77.0.2", from: lab.container(2)))
      #expect(try lab.pings("10.77.0.3", from: lab.container(1)))
      #expect(try lab.check(config, result, on: 2).isSuccess)
    }
  }
}
