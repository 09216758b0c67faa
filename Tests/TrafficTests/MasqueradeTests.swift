import CNI
import LabSupport
import Testing

/// Packets that are masqueraded, and packets that are not.
@Suite(.needsRoot)
struct MasqueradeTests {
  @Test(arguments: Backend.allCases, [false, true])
  func `the outside sees the host's address, other containers see the container's own`(
    backend: Backend, filtersBridges: Bool
  ) throws {
    try World.use(backend, filtersBridges: filtersBridges) { world in
      let network = try world.network(1, portmap: nil)
      let first = try network.add(1), second = try network.add(2)
      try world.expect(
        Expectation.ofBothFamilies { family in
          let own = first.addresses[family]
          return [Probe.Transport.tcp, .udp].flatMap { transport -> [Expectation] in
            [
              Expectation(
                .container(1), to: World.outside[family], transport, 80, by: .outside, seeing: World.host[family]),
              Expectation(
                .container(1), to: World.behind[family], transport, 80, by: .behind, seeing: World.hostBehind[family]),
              Expectation(.container(1), to: second.addresses[family], transport, 80, by: .container(2), seeing: own),
              Expectation(.container(1), to: network.gateways[family], transport, 8090, by: .host, seeing: own),
              Expectation(.host, to: own, transport, 80, by: .container(1), seeing: network.gateways[family]),
            ]
          }
        })
    }
  }

  @Test(arguments: Backend.allCases)
  func `multicast is not masqueraded, also with br_netfilter`(backend: Backend) throws {
    try World.use(backend, filtersBridges: true) { world in
      let network = try world.network(1, portmap: nil)
      let first = try network.add(1)
      _ = try network.add(2)
      let groups = ["239.77.0.1", "ff15::77"]
      try world.lab.shell("ip route add 239.0.0.0/8 dev eth0", in: world.lab.container(1))
      try world.expect(
        (0...1).map { family in
          Expectation(
            .container(1), to: groups[family], .udp, 90 + family, by: .container(2), seeing: first.addresses[family])
        },
        servers: (0...1).map { family in
          Server("c2", in: world.lab.container(2), .udp, 90 + family, group: groups[family])
        })
    }
  }

  @Test(arguments: Backend.allCases, [false, true])
  func `source ports are random only with ipMasqRandomFully`(backend: Backend, isRandom: Bool) throws {
    try World.use(backend, containers: 1) { world in
      let network = try world.network(1, #"{"ipMasqRandomFully": \#(isRandom)}"#, portmap: nil)
      _ = try network.add(1)
      let probes = World.outside.flatMap { address in
        (0..<4).map { _ in Probe(from: world.lab.container(1), to: address, .tcp, 80, patience: 5) }
      }
      let answers = try world.lab.answers(to: probes, servers: world.servers)
      let kept = answers.filter { if case .by("outside", _, keptPort: true) = $0 { true } else { false } }
      let drawn = answers.filter { if case .by("outside", _, keptPort: false) = $0 { true } else { false } }
      #expect(kept.count + drawn.count == probes.count)
      // A random port equals the original one in about one of some thousand packets.
      #expect(isRandom ? drawn.count >= 6 : drawn.isEmpty)
    }
  }

  @Test(arguments: Backend.allCases)
  func `a subnet is masqueraded until DEL of its last container`(backend: Backend) throws {
    try World.use(backend) { world in
      let network = try world.network(1, portmap: nil)
      try world.useTables()
      let before = try world.ruleset()
      let first = try network.add(1), second = try network.add(2)
      try network.delete(first)
      try world.expect(
        (0...1).map { family in
          Expectation(.container(2), to: World.outside[family], 80, by: .outside, seeing: World.host[family])
        })
      #expect(try world.ruleset() != before)
      try network.delete(second, knowing: false)
      #expect(try world.ruleset() == before)
    }
  }
}
