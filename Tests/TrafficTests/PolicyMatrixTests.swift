import LabSupport
import Testing

/// Every place to every other one, compared with `PolicyModel`.
@Suite(.needsRoot)
struct PolicyMatrixTests {
  /// Two networks with policies that name each other, one whose containers have only labels, and one without the key.
  private static let model = PolicyModel(
    containers: [
      1: .init(network: 1, hasLabel: true), 2: .init(network: 2), 3: .init(network: 2),
      4: .init(network: 3, hasLabel: true), 5: .init(network: 4, hasLabel: true),
    ],
    policies: [
      1: .init(),
      2: .init(
        ingress: [
          .init(peer: .network(1), ports: ["80"]), .init(peer: .label, ports: ["81/udp"]),
          .init(peer: .outside, ports: ["81/tcp"]), .init(peer: .network(4)),
        ],
        egress: [
          .init(peer: .network(1), ports: ["80/tcp"]), .init(peer: .network(3), ports: ["80/udp", "81"]),
          .init(peer: .outside),
        ]),
      3: .init(
        ingress: [.init(peer: .network(2), ports: ["80"]), .init(peer: .anyone, ports: ["81/tcp"])],
        egress: [.init(peer: .label), .init(peer: .anyone, ports: ["80"])]),
    ])

  private static let places = [Place.outside, .behind, .host] + (1...5).map { .container($0) }

  struct Case: Sendable {
    var holder: PolicyTests.Holder
    var backend: Backend
    var filtersBridges: Bool

    static let all = PolicyTests.Holder.allCases.flatMap { holder in
      Backend.allCases.flatMap { backend in
        [false, true].map { Case(holder: holder, backend: backend, filtersBridges: $0) }
      }
    }
  }

  @Test(arguments: Case.all)
  func `every connection is as documented`(_ one: Case) throws {
    try World.use(one.backend, containers: 5, filtersBridges: one.filtersBridges) { world in
      let attachments = try Self.model.containers.sorted { $0.key < $1.key }.map { number, container in
        let key = Self.model.key(of: container.network, in: world)
        let network =
          try key.map { try world.network(container.network, one.holder, policy: $0) }
          ?? world.network(container.network)
        return try network.add(number, args: container.hasLabel ? PolicyModel.label : "{}")
      }
      let servers = Self.places.flatMap { place in
        [80, 81].flatMap { port in
          [Probe.Transport.tcp, .udp].map { Server("\(place)", in: world.namespace(place), $0, port) }
        }
      }
      for family in 0...1 {
        #expect(try world.complaints(Self.expectations(attachments, family), servers: servers) == [])
      }
    }
  }

  private static func expectations(_ attachments: [Network.Attachment], _ family: Int) -> [Expectation] {
    places.flatMap { from in
      places.filter { $0 != from }.flatMap { to -> [Expectation] in
        let address = address(of: to, attachments)[family]
        let kinds = [(Probe.Transport.ping, 0)] + [80, 81].flatMap { [(.tcp, $0), (.udp, $0)] }
        return kinds.map { transport, port in
          Expectation(from, to: address, transport, port, by: model.allows(from, to, transport, port) ? to : nil)
        }
      }
    }
  }

  private static func address(of place: Place, _ attachments: [Network.Attachment]) -> [String] {
    switch place {
    case .outside: World.outside
    case .behind: World.behind
    case .host: World.host
    case .container(let number): attachments[number - 1].addresses
    }
  }
}
