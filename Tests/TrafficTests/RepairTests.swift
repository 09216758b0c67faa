import CNI
import LabSupport
import Testing

/// `cnictl repair` after another program has flushed all rules.
@Suite(.needsRoot)
struct RepairTests {
  @Test(arguments: Backend.allCases)
  func `cnictl repair restores flushed rules`(backend: Backend) throws {
    try World.use(backend) { world in
      try world.useTables()
      let network = try world.network(1, #"{"isolation": "network"}"#, firewall: "{}")
      let first = try network.add(1, ports: PublishedPortTests.ports), second = try network.add(2)
      let before = try world.ruleset()
      func expectedAnswers(isWhole: Bool) -> [Expectation] {
        Expectation.ofBothFamilies { family in
          let outside = World.outside[family]
          return [
            Expectation(.outside, to: World.host[family], 8080, by: isWhole ? .container(1) : nil),
            Expectation(.outside, to: second.addresses[family], 80, by: isWhole ? nil : .container(2)),
            Expectation(
              .container(1), to: outside, 80, by: .outside,
              seeing: isWhole ? World.host[family] : first.addresses[family]),
          ]
        }
      }
      try world.expect(expectedAnswers(isWhole: true))
      try world.flush()
      try world.expect(expectedAnswers(isWhole: false))
      try world.lab.run("\(Binaries.ours)/cnictl", ["repair"], in: world.lab.host).requireSuccess()
      try world.expect(expectedAnswers(isWhole: true))
      #expect(Set(try world.ruleset()) == Set(before))
      for attachment in [first, second] { try network.delete(attachment) }
    }
  }
}
