import CNI
import LabSupport
import Testing

/// Containers that send frames with MAC addresses of other containers.
@Suite(.needsRoot)
struct ForgedMACTests {
  private static let subnets = ["10.77.0.0/24", "fd77::/64"]

  private func tableSize(_ lab: Lab) throws -> Int {
    try lab.shell("bridge fdb show br br0 | wc -l", in: lab.host).split(separator: "\n").first.flatMap { Int($0) } ?? -1
  }

  @Test(arguments: ["{}", #"{"isGateway": true, "hairpinMode": true}"#, #"{"isGateway": true, "promiscMode": true}"#])
  func `a container cannot receive frames of another one or fill the FDB with forged MAC addresses`(keys: String) throws
  {
    try Lab.use(containers: 3) { lab in
      let config = try lab.bridge(keys, subnets: Self.subnets)
      let results = try (1...3).map { try lab.add(config, to: $0).result() }
      let before = try tableSize(lab)
      try lab.sendForged(from: try #require(results[1].text("interfaces.2.mac")), others: 5000, in: lab.container(3))
      #expect(try tableSize(lab) <= before + 10)
      for address in results[1].list("ips").compactMap({ $0.text("address")?.split(separator: "/").first }) {
        #expect(try lab.pings(String(address), from: lab.container(1)))
      }
      for (index, result) in results.enumerated() {
        let outcome = try lab.check(config, result, on: index + 1)
        #expect(outcome.isSuccess, "\(outcome)")
      }
    }
  }

  @Test func `a bridge with macLearning learns only a limited number of MAC addresses`() throws {
    try Lab.use { lab in
      _ = try lab.add(try lab.bridge(#"{"macLearning": true}"#)).result()
      try lab.sendForged(from: "02:00:00:00:00:01", others: 5000, in: lab.container(1))
      let size = try tableSize(lab)
      #expect(size > 100 && size < 4200)
    }
  }

  @Test func `the bridge has an FDB entry for the MAC address that tuning sets`() throws {
    try Lab.use(containers: 3) { lab in
      let config = try lab.bridge(subnets: Self.subnets)
      let results = try (1...3).map { try lab.add(config, to: $0).result() }
      let tuned = try lab.tune(try lab.tuning(#"{"mac": "02:00:00:00:77:77"}"#), results[0]).result()
      try lab.sendForged(from: "02:00:00:00:77:77", others: 0, in: lab.container(3))
      #expect(try lab.pings("10.77.0.2", from: lab.container(2)))
      #expect(try lab.check(config, tuned).isSuccess)
      let entries = try lab.shell(
        "bridge fdb show br br0 | grep -c '\(results[0].text("interfaces.2.mac") ?? "-")' || true", in: lab.host)
      #expect(entries.hasPrefix("0"))
      // Now `bridge` sets the MAC address, and `tuning` finds it set already.
      let given = try lab.delete(config)
      #expect(given.isSuccess)
      let fromStart = config.merging(try JSONValue(json: #"{"runtimeConfig": {"mac": "02:00:00:00:66:66"}}"#))
      let again = try lab.add(fromStart).result()
      _ = try lab.tune(try lab.tuning(#"{"mac": "02:00:00:00:66:66"}"#), again).result()
      try lab.sendForged(from: "02:00:00:00:66:66", others: 0, in: lab.container(3))
      let address = try #require(again.list("ips").first?.text("address")?.split(separator: "/").first)
      #expect(try lab.pings(String(address), from: lab.container(2)))
    }
  }
}
