import CNI
import LabSupport
import Testing

/// What leaves a container's network, and what does not.
@Suite(.needsRoot)
struct MasqueradeTests {
  @Test(arguments: Backend.allCases, [false, true])
  func `outside sees the host's address, neighbours see the container's own`(
    backend: Backend, filtersBridges: Bool
  ) throws {
    try World.use(backend, filtersBridges: filtersBridges) { world in
      let network = try world.network(1, portmap: nil)
      let first = try network.add(1), second = try network.add(2)
      try world.expect(
        (0...1).flatMap { family in
          let own = first.addresses[family]
          return [Probe.Transport.tcp, .udp].flatMap { transport in
            [
              Expectation(.container(1), to: World.outside[family], transport, 80, by: .outside, seeing: World.host[family]),
              Expectation(.container(1), to: World.behind[family], transport, 80, by: .behind, seeing: World.hostBehind[family]),
              Expectation(.container(1), to: second.addresses[family], transport, 80, by: .container(2), seeing: own),
              Expectation(.container(1), to: network.gateways[family], transport, 8090, by: .host, seeing: own),
              Expectation(.host, to: own, transport, 80, by: .container(1), seeing: network.gateways[family]),
            ]
          }
        })
    }
  }
}
