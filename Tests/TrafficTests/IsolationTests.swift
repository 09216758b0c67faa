import CNI
import LabSupport
import Testing

/// Isolation of networks: allowed and blocked connections.
@Suite(.needsRoot)
struct IsolationTests {
  /// The connections that `isolation` and `internal` allow, from the place of the row to the network of the column.
  ///
  /// `published`: the container's published port is reachable at an address of the host. `direct`: the container's own
  /// address is reachable, with any protocol. `both`, or `-` for neither. A row is a container of another network of
  /// that kind; `peer` is another container of the column's network. `routed`: published, but not
  /// with br_netfilter: then the bridge itself forwards the frame to the container's port, and the ports are isolated.
  static let table = """
    from        none       network    container  internal   outside
    outside     both       published  published  -          direct
    host        both       both       both       direct     direct
    peer        both       both       routed     direct     -
    none        both       published  published  -          direct
    network     published  published  published  -          direct
    container   published  published  published  -          direct
    internal    -          -          -          -          -
    """

  /// The keys of `bridge` for each kind.
  static let kinds = [
    ("none", "{}"),
    ("network", #"{"isolation": "network"}"#),
    ("container", #"{"isolation": "container"}"#),
    ("internal", #"{"internal": true, "ipMasq": false, "isDefaultGateway": false, "isGateway": true}"#),
  ]

  @Test(arguments: Backend.allCases, [false, true])
  func `isolation allows exactly the connections in the table`(backend: Backend, filtersBridges: Bool) throws {
    try World.use(backend, containers: 12, filtersBridges: filtersBridges) { world in
      // Kind n has two networks: n with the containers n and n + 4, and n + 4 with the container n + 8.
      var targets: [Network.Attachment] = []
      for (index, kind) in Self.kinds.enumerated() {
        let network = try world.network(index + 1, kind.1), other = try world.network(index + 5, kind.1)
        let port = 8081 + index
        targets.append(
          try network.add(
            index + 1, ports: [#"{"hostPort": \#(port), "containerPort": 80, "protocol": "tcp"}"#]))
        _ = try network.add(index + 5)
        _ = try other.add(index + 9)
      }
      try world.expect(Self.expectations(targets, filtersBridges: filtersBridges))
    }
  }

  private static func expectations(_ targets: [Network.Attachment], filtersBridges: Bool) -> [Expectation] {
    let read = table.replacing("routed", with: filtersBridges ? "-" : "published")
    let rows = read.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    return rows.dropFirst().flatMap { row in
      row.dropFirst().enumerated().flatMap { column, cell -> [Expectation] in
        let kind = kinds.firstIndex { $0.0 == row[0] }
        switch row[0] {
        case "outside" where column == 4, "peer" where column == 4: return []
        case "outside": return cellExpectations(cell, from: .outside, to: targets[column], column)
        case "host": return cellExpectations(cell, from: .host, to: column < 4 ? targets[column] : nil, column)
        case "peer": return cellExpectations(cell, from: .container(column + 5), to: targets[column], column)
        default:
          return cellExpectations(
            cell, from: .container((kind ?? 0) + 9), to: column < 4 ? targets[column] : nil, column)
        }
      }
    }
  }

  /// The expectations of a cell for connections from `place` to `target`, or to the outside if it is `nil`.
  private static func cellExpectations(
    _ cell: String, from place: Place, to target: Network.Attachment?, _ column: Int
  ) -> [Expectation] {
    let isDirect = cell == "both" || cell == "direct", isPublished = cell == "both" || cell == "published"
    return Expectation.ofBothFamilies { family in
      let answerer: Place = target.map { .container($0.container) } ?? .outside
      let address = target?.addresses[family] ?? World.outside[family]
      let direct = [(Probe.Transport.tcp, 80), (.udp, 80), (.ping, 0)].map { transport, port in
        Expectation(place, to: address, transport, port, by: isDirect ? answerer : nil)
      }
      guard target != nil else { return direct }
      return direct + [Expectation(place, to: World.host[family], 8081 + column, by: isPublished ? answerer : nil)]
    }
  }

  @Test(arguments: Backend.allCases, [false, true])
  func `a links entry opens one port of one container and nothing else`(backend: Backend, filtersBridges: Bool) throws {
    try World.use(backend, containers: 3, filtersBridges: filtersBridges) { world in
      try world.useTables()
      let before = try world.ruleset()
      let network = try world.network(1, #"{"isolation": "container"}"#)
      let server = try network.add(1)
      let link = #"{"container": "\#(world.lab.container(1))", "alias": "web", "ports": ["80/tcp"]}"#
      let client = try network.add(2, args: #"{"links": [\#(link)]}"#)
      let stranger = try network.add(3)
      try world.expect(
        Expectation.ofBothFamilies { family in
          let target = server.addresses[family]
          return [
            Expectation(.container(2), to: target, 80, by: .container(1)),
            Expectation(.container(2), to: target, 81, by: nil),
            Expectation(.container(2), to: target, .udp, 80, by: nil),
            Expectation(.container(2), to: target, .ping, by: nil),
            Expectation(.container(1), to: client.addresses[family], 80, by: nil),
            Expectation(.container(3), to: target, 80, by: nil),
            Expectation(.container(2), to: stranger.addresses[family], 80, by: nil),
          ]
        })
      // Another container that takes the client's addresses reaches nothing more.
      for number in 2...3 {
        try world.lab.shell("ip addr flush dev eth0 scope global", in: world.lab.container(number))
      }
      let (addresses, gateways) = (client.addresses, network.gateways)
      try world.lab.shell(
        """
        ip addr add \(addresses[0])/24 dev eth0; ip route replace default via \(gateways[0])
        ip addr add \(addresses[1])/64 dev eth0 nodad; ip -6 route replace default via \(gateways[1])
        """, in: world.lab.container(3))
      try world.expect(
        Expectation.ofBothFamilies { [Expectation(.container(3), to: server.addresses[$0], 80, by: nil)] })
      for attachment in [client, server, stranger] { try network.delete(attachment) }
      #expect(try world.ruleset() == before)
    }
  }

  @Test(arguments: Backend.allCases)
  func `an internal network has no default route`(backend: Backend) throws {
    try World.use(backend, containers: 1) { world in
      let result = try world.network(1, Self.kinds[3].1).add(1).result
      #expect(result.list("routes").contains { ["0.0.0.0/0", "::/0"].contains($0.text("dst")) } == false)
      #expect(try world.lab.route("default", in: world.lab.container(1)) == nil)
      #expect(try world.lab.route("default", .v6, in: world.lab.container(1)) == nil)
    }
  }
}
