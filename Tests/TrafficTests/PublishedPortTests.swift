import CNI
import LabSupport
import Testing

/// Published ports.
@Suite(.needsRoot)
struct PublishedPortTests {
  /// TCP 8080 leads to port 80 of container 1, UDP 8080 to port 81.
  static let ports = [
    #"{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}"#,
    #"{"hostPort": 8080, "containerPort": 81, "protocol": "udp"}"#,
  ]

  /// The expectations for port 8080 with TCP and UDP.
  private func answers(from place: Place, at address: String, seeing seen: String? = nil) -> [Expectation] {
    [.tcp, .udp].map { Expectation(place, to: address, $0, 8080, by: .container(1), seeing: seen) }
  }

  @Test(arguments: Backend.allCases, ["none", "network"])
  func `a published port is reachable from everywhere on every host address`(
    backend: Backend, isolation: String
  ) throws {
    try World.use(backend, containers: 3) { world in
      let network = try world.network(1, #"{"isolation": "\#(isolation)"}"#)
      let other = try world.network(2, #"{"isolation": "\#(isolation)"}"#)
      let first = try network.add(1, ports: Self.ports)
      _ = try network.add(2)
      _ = try other.add(3)
      for outcome in try network.check(first) { #expect(outcome.isSuccess, "\(outcome)") }
      try world.expect(
        Expectation.ofBothFamilies { family in
          let hosts = [World.host, World.secondHostAddress].map { $0[family] }
          let everywhere = hosts + [World.hostBehind[family], network.gateways[family], other.gateways[family]]
          var wanted = hosts.flatMap { answers(from: .outside, at: $0, seeing: World.outside[family]) }
          wanted += answers(from: .behind, at: World.hostBehind[family], seeing: World.behind[family])
          wanted += (everywhere + [["127.0.0.1", "::1"][family]]).flatMap { answers(from: .host, at: $0) }
          for number in 1...3 { wanted += everywhere.flatMap { answers(from: .container(number), at: $0) } }
          return wanted
        })
    }
  }

  @Test(arguments: Backend.allCases)
  func `a port with hostIP is published only on that address`(backend: Backend) throws {
    try World.use(backend) { world in
      let network = try world.network(1)
      _ = try network.add(
        1,
        ports: [
          #"{"hostPort": 8082, "containerPort": 80, "protocol": "tcp", "hostIP": "192.0.2.3"}"#,
          #"{"hostPort": 8082, "containerPort": 80, "protocol": "tcp", "hostIP": "2001:db8::3"}"#,
          #"{"hostPort": 8083, "containerPort": 80, "protocol": "tcp", "hostIP": "127.0.0.1"}"#,
          #"{"hostPort": 8083, "containerPort": 80, "protocol": "tcp", "hostIP": "::1"}"#,
        ])
      _ = try network.add(
        2, ports: [#"{"hostPort": 8082, "containerPort": 80, "protocol": "tcp", "hostIP": "192.0.2.2"}"#])
      try world.expect(
        [Place.outside, .host, .container(1)].flatMap { place -> [Expectation] in
          [
            Expectation(place, to: "192.0.2.3", 8082, by: .container(1)),
            Expectation(place, to: "192.0.2.2", 8082, by: .container(2)),
            Expectation(place, to: "2001:db8::3", 8082, by: .container(1)),
            Expectation(place, to: "2001:db8::2", 8082, by: nil),
            Expectation(place, to: "192.0.2.2", 8083, by: nil),
            Expectation(place, to: "2001:db8::2", 8083, by: nil),
          ]
        } + [
          Expectation(.host, to: "127.0.0.1", 8083, by: .container(1)),
          Expectation(.host, to: "::1", 8083, by: .container(1)),
          Expectation(.behind, to: "198.51.100.1", 8082, by: nil),
        ])
    }
  }

  // GHSA-jv3w-x3r3-g6rm.
  @Test(arguments: Backend.allCases)
  func `packets to another machine are not redirected to a published port`(backend: Backend) throws {
    try World.use(backend) { world in
      _ = try world.network(1).add(1, ports: Self.ports)
      _ = try world.network(2).add(2)
      try world.expect(
        Expectation.ofBothFamilies { family in
          [Probe.Transport.tcp, .udp].flatMap { transport -> [Expectation] in
            [
              Expectation(
                .outside, to: World.behind[family], transport, 8080, by: .behind, seeing: World.outside[family]),
              Expectation(.behind, to: World.outside[family], transport, 8080, by: .outside),
              Expectation(.host, to: World.outside[family], transport, 8080, by: .outside),
              Expectation(.container(1), to: World.outside[family], transport, 8080, by: .outside),
              Expectation(.container(2), to: World.behind[family], transport, 8080, by: .behind),
            ]
          }
        })
    }
  }

  /// Adds the host's own rules that forward its port 8088, and with nftables 8089 too, to the machine behind it.
  private func forwardPorts(of world: World) throws {
    try world.shell(
      """
      own() { $1-legacy -w -t nat -A PREROUTING -d $2 -p tcp --dport 8088 -j DNAT --to-destination $3; }
      own iptables 192.0.2.2 198.51.100.2:80
      own ip6tables 2001:db8::2 '[2001:db8:1::2]:80'
      """)
    guard world.backend == .nftables else { return }
    try world.shell(
      """
      nft -f - <<'END'
      table inet own {
        chain in {
          type nat hook prerouting priority dstnat;
          ip daddr 192.0.2.2 tcp dport 8089 dnat ip to 198.51.100.2:80
          ip6 daddr 2001:db8::2 tcp dport 8089 dnat ip6 to [2001:db8:1::2]:80
        }
      }
      END
      """)
  }

  // CVE-2019-9946, plugins#222.
  @Test(arguments: Backend.allCases)
  func `the host's own services and port forwards keep working, even for a published port number`(
    backend: Backend
  ) throws {
    try World.use(backend, containers: 1) { world in
      try forwardPorts(of: world)
      let forwarded = backend == .nftables ? [8088, 8089] : [8088]
      _ = try world.network(1).add(
        1,
        ports: Self.ports + forwarded.map { #"{"hostPort": \#($0), "containerPort": 80, "protocol": "tcp"}"# })
      try world.expect(
        Expectation.ofBothFamilies { family in
          var wanted = answers(from: .outside, at: World.host[family])
          wanted += [
            Expectation(.outside, to: World.host[family], 8090, by: .host, seeing: World.outside[family]),
            Expectation(.container(1), to: World.host[family], .udp, 8090, by: .host),
            Expectation(.host, to: World.host[family], 8090, by: .host),
          ]
          for port in forwarded {
            wanted.append(Expectation(.outside, to: World.host[family], port, by: .behind))
            wanted.append(Expectation(.outside, to: World.secondHostAddress[family], port, by: .container(1)))
          }
          return wanted
        })
    }
  }

  @Test(arguments: Backend.allCases)
  func `ports are published from ADD to DEL`(backend: Backend) throws {
    try World.use(backend) { world in
      try world.useTables()
      let before = try world.ruleset()
      let network = try world.network(1)
      func expectedAnswers(by answerer: Place?) -> [Expectation] {
        let places = (World.host + ["127.0.0.1", "::1"]).map { (Place.host, $0) } + World.host.map { (.outside, $0) }
        return places.flatMap { place, address -> [Expectation] in
          [.tcp, .udp].map { Expectation(place, to: address, $0, 8080, by: answerer) }
        }
      }
      let first = try network.add(1, ports: Self.ports)
      try world.expect(expectedAnswers(by: .container(1)))
      try network.delete(first, knowing: false)
      try world.expect(expectedAnswers(by: nil))
      let second = try network.add(2, ports: Self.ports)
      // A UDP client that keeps sending reaches the new container, not the address of the old one.
      try world.expect(expectedAnswers(by: .container(2)))
      try network.delete(second)
      #expect(try world.ruleset() == before)
    }
  }
}
