import CNI
import LabSupport
import Testing

/// `firewall` after `bridge` in a chain.
@Suite(.needsRoot)
struct FirewallTests {
  /// The senders that each `ingressPolicy` allows to reach container 1.
  static let table: [(policy: String, peer: Bool, other: Bool)] = [
    ("open", true, true),
    ("same-bridge", true, false),
    ("isolated", false, false),
  ]

  @Test(arguments: Backend.allCases, table.indices)
  func `ingressPolicy controls access to a container`(backend: Backend, row: Int) throws {
    let (policy, peer, other) = Self.table[row]
    try World.use(backend, containers: 3, filtersBridges: true) { world in
      try world.useTables()
      let before = try world.ruleset()
      let firewall = #"{"ingressPolicy": "\#(policy)"}"#
      let network = try world.network(1, portmap: nil, firewall: firewall)
      let neighbour = try world.network(2, portmap: nil, firewall: firewall)
      let first = try network.add(1), second = try network.add(2), third = try neighbour.add(3)
      for outcome in try network.check(first) { #expect(outcome.isSuccess, "\(outcome)") }
      try world.expect(
        Expectation.ofBothFamilies { family in
          let address = first.addresses[family]
          return [
            Expectation(.container(2), to: address, 80, by: peer ? .container(1) : nil),
            Expectation(.container(3), to: address, 80, by: other ? .container(1) : nil),
            Expectation(.container(1), to: third.addresses[family], 80, by: other ? .container(3) : nil),
            Expectation(.host, to: address, 80, by: .container(1)),
            Expectation(.outside, to: address, 80, by: .container(1)),
            Expectation(.container(1), to: World.outside[family], 80, by: .outside),
            Expectation(.container(1), to: World.outside[family], .ping, by: .outside),
          ]
        })
      try network.delete(first)
      try network.delete(second, knowing: false)
      try neighbour.collectGarbage()
      #expect(try world.ruleset() == before)
    }
  }

  @Test(arguments: Backend.allCases)
  func `a same-bridge network and an open network reach each other`(backend: Backend) throws {
    try World.use(backend, containers: 2, filtersBridges: true) { world in
      try world.useTables()
      let isolated = try world.network(1, portmap: nil, firewall: #"{"ingressPolicy": "same-bridge"}"#)
      let open = try world.network(2, portmap: nil, firewall: "{}")
      let first = try isolated.add(1), second = try open.add(2)
      try world.expect(
        Expectation.ofBothFamilies { family in
          [
            Expectation(.container(2), to: first.addresses[family], 80, by: .container(1)),
            Expectation(.container(1), to: second.addresses[family], 80, by: .container(2)),
          ]
        })
    }
  }

  @Test(arguments: Backend.allCases, ["legacy", "nft"])
  func `with FORWARD DROP containers reach the outside and get replies but no new connections`(
    backend: Backend, iptables: String
  ) throws {
    try World.use(backend, containers: 2) { world in
      try world.shell("iptables-\(iptables) -w -P FORWARD DROP; ip6tables-\(iptables) -w -P FORWARD DROP")
      if iptables == "legacy" { try world.useTables() }
      let saved = "iptables-\(iptables)-save | sed 's/^#.*//; s/ \\[.*//'"
      let before = try world.shell(saved)
      let network = try world.network(1, firewall: "{}")
      let first = try network.add(1, ports: PublishedPortTests.ports)
      let second = try network.add(2)
      try world.expect(
        Expectation.ofBothFamilies { family in
          [Probe.Transport.tcp, .udp, .ping].flatMap { transport -> [Expectation] in
            [
              Expectation(.container(1), to: World.outside[family], transport, 80, by: .outside),
              Expectation(.outside, to: first.addresses[family], transport, 80, by: nil),
            ]
          }
        })
      for attachment in [first, second] {
        for outcome in try network.check(attachment) { #expect(outcome.isSuccess, "\(outcome)") }
        try network.delete(attachment)
      }
      #expect(try world.shell(saved) == before)
    }
  }

  @Test func `CNI-ADMIN is evaluated before our rules and stays after DEL`() throws {
    try World.use(.iptables, containers: 1) { world in
      try world.shell(
        """
        for v in iptables ip6tables; do
          $v-legacy -w -P FORWARD DROP
          $v-legacy -w -N CNI-ADMIN; $v-legacy -w -A CNI-ADMIN -p tcp --dport 80 -j DROP
        done
        """)
      try world.useTables()
      let before = try world.ruleset()
      let network = try world.network(1, portmap: nil, firewall: "{}")
      let first = try network.add(1)
      try world.expect(
        Expectation.ofBothFamilies { family in
          [
            Expectation(.container(1), to: World.outside[family], 80, by: nil),
            Expectation(.container(1), to: World.outside[family], .udp, 80, by: .outside),
          ]
        })
      try network.delete(first)
      #expect(try world.ruleset() == before)
    }
  }
}
