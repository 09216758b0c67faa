import CNI
import LabSupport
import Testing

/// Services: one virtual address for several containers.
@Suite(.needsRoot)
struct ServiceTests {
  private static let vips = ["10.77.1.250", "fd77:1::fa"]

  /// Network 1 of the world with `service`; the text has further keys.
  private static func network(_ world: World, _ keys: String = "{}") throws -> Network {
    var network = try world.network(1, portmap: nil)
    let service = #"""
      {"type": "service", "service": "web", "vip": ["\#(vips[0])", "\#(vips[1])"],
       "ports": [{"port": 8000, "targetPort": 80}, {"port": 8000, "targetPort": 81, "protocol": "udp"}],
       "publish": [{"hostPort": 8001, "protocol": "tcp"}]}
      """#
    network.plugins.append(try JSONValue(json: service).merging(try JSONValue(json: keys)))
    return network
  }

  /// The containers that answer as many connections to the virtual address, of both families.
  private static func answers(_ world: World, from place: Place, _ count: Int) throws -> [[String: Int]] {
    try vips.map { vip in
      let probes = (0..<count).map { _ in Probe(from: world.namespace(place), to: vip, .tcp, 8000, patience: 5) }
      return try world.lab.answers(to: probes, servers: world.servers).reduce(into: [:]) { counts, answer in
        if case .by(let name, _, _) = answer { counts[name, default: 0] += 1 } else { counts["none", default: 0] += 1 }
      }
    }
  }

  @Test(arguments: Backend.allCases, [false, true])
  func `everyone reaches the virtual address, and containers see who it is`(
    backend: Backend, filtersBridges: Bool
  ) throws {
    try World.use(backend, containers: 4, filtersBridges: filtersBridges) { world in
      let network = try Self.network(world)
      let member = try network.add(1)
      // It takes no connections.
      _ = try Self.network(world, #"{"weight": 0}"#).add(2)
      _ = try world.network(1, portmap: nil).add(3)
      _ = try world.network(2, portmap: nil).add(4)
      for outcome in try network.check(member) { #expect(outcome.isSuccess, "\(outcome)") }
      try world.expect(
        Expectation.ofBothFamilies { family in
          let vip = Self.vips[family], gateway = network.gateways[family]
          var wanted = [
            Expectation(.outside, to: vip, 8000, by: .container(1), seeing: World.outside[family]),
            Expectation(.outside, to: World.host[family], 8001, by: .container(1), seeing: World.outside[family]),
            Expectation(.container(3), to: vip, 8000, by: .container(1), seeing: gateway),
            Expectation(.container(1), to: vip, 8000, by: .container(1), seeing: gateway),
            Expectation(.outside, to: vip, 80, by: nil), Expectation(.outside, to: vip, .udp, 8001, by: nil),
          ]
          for place in [Place.outside, .behind, .host, .container(1), .container(2), .container(3), .container(4)] {
            wanted += [
              Expectation(place, to: vip, 8000, by: .container(1)),
              Expectation(place, to: vip, .udp, 8000, by: .container(1)),
              Expectation(place, to: World.host[family], 8001, by: .container(1)),
              Expectation(place, to: vip, .ping, by: .container(1)),
            ]
          }
          return wanted
        })
    }
  }

  @Test func `connections are shared as scheduler and weights say, and by those that are left`() throws {
    try World.use(.nftables, containers: 3) { world in
      let network = try Self.network(world, #"{"scheduler": "roundRobin"}"#)
      let members = try (1...3).map { try network.add($0) }
      #expect(
        try Self.answers(world, from: .outside, 30) == Array(repeating: ["c1": 10, "c2": 10, "c3": 10], count: 2))
      try network.delete(members[1], knowing: false)
      #expect(try Self.answers(world, from: .outside, 30) == Array(repeating: ["c1": 15, "c3": 15], count: 2))
      for member in [members[0], members[2]] { try network.delete(member) }
      #expect(try Self.answers(world, from: .outside, 3) == Array(repeating: ["none": 3], count: 2))
      let random = try Self.network(world)
      for number in 1...3 { _ = try random.add(number) }
      for counts in try Self.answers(world, from: .outside, 150) {
        // Less than 25 of 150 has a probability below 1 in 10,000,000.
        #expect(counts.count == 3 && counts.values.allSatisfy { $0 >= 25 }, "\(counts)")
      }
      try random.collectGarbage()
      let source = try Self.network(world, #"{"scheduler": "source"}"#)
      for number in 1...3 { _ = try source.add(number) }
      for counts in try Self.answers(world, from: .outside, 12) { #expect(counts.count == 1, "\(counts)") }
    }
  }

  @Test func `the last container removes rules and addresses, also after a flush and by GC`() throws {
    try World.use(.nftables, containers: 3) { world in
      let network = try Self.network(world)
      let state = { () throws in
        try world.ruleset() + [world.shell("ip -br address show lo; ip -br address show br1 || true")]
      }
      _ = try world.network(1, portmap: nil).add(3)
      let before = try state()
      let members = try (1...2).map { try network.add($0) }
      #expect(try Self.vips.allSatisfy { try state().joined().contains("\($0)/") })
      try network.delete(members[0])
      #expect(try Self.vips.allSatisfy { try state().joined().contains("\($0)/") })
      try world.shell("nft flush ruleset")
      try world.expect(Self.vips.map { Expectation(.outside, to: $0, 8000, by: nil) })
      try world.repair()
      try world.expect(Self.vips.map { Expectation(.outside, to: $0, 8000, by: .container(2)) })
      try network.collectGarbage(keeping: [3])
      #expect(try state() == before)
      #expect(try world.shell("find /run/swift-cni -path '*services*' -type f") == "")
    }
  }

  @Test(arguments: HostRules.allCases, ["legacy", "nft"])
  func `with FORWARD DROP the service is reachable, its containers only by it`(rules: HostRules, flavour: String) throws
  {
    try World.use(.nftables, containers: 1) { world in
      if flavour == "legacy" { try world.useTables() }
      try world.load(rules, flavour)
      let network = try Self.network(world)
      let member = try network.add(1)
      try world.expect(
        Expectation.ofBothFamilies { family in
          [
            Expectation(.outside, to: Self.vips[family], 8000, by: .container(1)),
            Expectation(.outside, to: World.host[family], 8001, by: .container(1)),
            Expectation(.outside, to: member.addresses[family], 80, by: nil),
          ]
        })
      for outcome in try network.check(member) { #expect(outcome.isSuccess, "\(outcome)") }
      try network.delete(member)
    }
  }

  @Test(arguments: Backend.allCases)
  func `a port that portmap published is refused, and portmap refuses a port of a service`(backend: Backend) throws {
    try World.use(backend, containers: 3) { world in
      let service = try Self.network(world), published = try world.network(2)
      let ports = [#"{"hostPort": 8001, "containerPort": 80, "protocol": "tcp"}"#]
      let attachment = try published.add(2, ports: ports)
      let before = try world.ruleset()
      let refused = try service.refusal(1)
      #expect(refused.code == 107 && refused.complaint.contains("on network"), "\(refused)")
      #expect(try world.ruleset() == before)
      try published.delete(attachment)
      _ = try service.add(1)
      let later = try published.refusal(2, ports: ports)
      #expect(later.code == 107 && later.complaint.contains("a service with container"), "\(later)")
    }
  }
}
