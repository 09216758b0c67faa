import CNI
import LabSupport
import Testing

/// The commands of Docker's first documentation of networks, with `cnictl`.
@Suite(.needsRoot)
struct TranscriptTests {
  @Test(arguments: Backend.allCases, [false, true])
  func `containers reach only containers on a common network`(
    backend: Backend, filtersBridges: Bool
  ) throws {
    try World.use(backend, containers: 3, filtersBridges: filtersBridges) { world in
      try world.useTables()
      let before = try world.ruleset()
      let create = ["network", "create", "-d", "bridge", "-o", "backend=\(backend.rawValue)", "--subnet"]
      try world.cnictl(create + ["172.17.0.0/16", "bridge"])
      try world.cnictl("connect", "bridge", world.lab.container(1))
      try world.cnictl("connect", "bridge", world.lab.container(2))
      try world.cnictl(create + ["172.20.0.0/16", "isolated_nw"])
      #expect(try world.cnictl("network", "ls").contains("isolated_nw"))
      try world.cnictl("connect", "isolated_nw", world.lab.container(3))
      #expect(try world.members(of: "bridge") == [1: "172.17.0.2", 2: "172.17.0.3"])
      try world.expect(pings(from: 3, reaching: [], missing: ["172.17.0.2", "172.17.0.3"]))

      let eth0 = try world.lab.link("eth0", in: world.lab.container(2))?.text("address")
      try world.cnictl("connect", "isolated_nw", world.lab.container(2))
      #expect(try world.lab.linkNames(in: world.lab.container(2)) == ["eth0", "eth1"])
      #expect(try world.lab.link("eth0", in: world.lab.container(2))?.text("address") == eth0)
      #expect(try world.members(of: "isolated_nw") == [3: "172.20.0.2", 2: "172.20.0.3"])
      try world.expect(
        pings(from: 3, reaching: ["172.20.0.3"], missing: ["172.17.0.2", "172.17.0.3"])
          + pings(from: 2, reaching: ["172.20.0.2", "172.17.0.2"], missing: [])
          + pings(from: 1, reaching: ["172.17.0.3"], missing: ["172.20.0.2", "172.20.0.3"]))

      try world.cnictl("disconnect", "isolated_nw", world.lab.container(2))
      #expect(try world.lab.linkNames(in: world.lab.container(2)) == ["eth0"])
      #expect(try world.members(of: "isolated_nw") == [3: "172.20.0.2"])
      try world.expect(pings(from: 2, reaching: ["172.17.0.2"], missing: ["172.20.0.2"]))

      #expect(try !world.tryCnictl(["network", "rm", "isolated_nw"]).isSuccess)
      try world.cnictl("disconnect", "isolated_nw", world.lab.container(3))
      #expect(try world.members(of: "isolated_nw") == [:])
      try world.cnictl("network", "rm", "isolated_nw")
      #expect(try !world.cnictl("network", "ls").contains("isolated_nw"))
      for number in 1...2 { try world.cnictl("disconnect", "bridge", world.lab.container(number)) }
      #expect(try world.ruleset() == before)
    }
  }

  private func pings(from number: Int, reaching: [String], missing: [String]) -> [Expectation] {
    reaching.map { Expectation(.container(number), to: $0, .ping, by: .container(0)) }
      + missing.map { Expectation(.container(number), to: $0, .ping, by: nil) }
  }
}

extension World {
  /// Each container's address in `network inspect`.
  fileprivate func members(of network: String) throws -> [Int: String] {
    let network = try JSONValue(json: try cnictl("network", "inspect", network))
    var members: [Int: String] = [:]
    for (identifier, container) in network.at("containers")?.object ?? [:] {
      let address = container.text("ipv4_address")?.split(separator: "/").first
      if let number = identifier.split(separator: "-").last.flatMap({ Int($0.dropFirst()) }) {
        members[number] = address.map(String.init)
      }
    }
    return members
  }
}
