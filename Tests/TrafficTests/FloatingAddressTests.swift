import CNI
import LabSupport
import Testing

/// Floating addresses: addresses of the outside network that belong to one container.
@Suite(.needsRoot)
struct FloatingAddressTests {
  @Test(arguments: Backend.allCases, [true, false])
  func `a floating address reaches its container and is the source of the container's packets`(
    backend: Backend, isOnLink: Bool
  ) throws {
    try World.use(backend, containers: 3) { world in
      try world.useTables()
      let before = try world.ruleset()
      let floating = isOnLink ? ["192.0.2.50", "2001:db8::50"] : ["203.0.113.50", "2001:db8:50::50"]
      if !isOnLink {
        try world.lab.shell(
          "ip route add 203.0.113.50 via 192.0.2.2; ip route add 2001:db8:50::50 via 2001:db8::2",
          in: world.namespace(.outside))
      }
      let addresses = try world.lab.addresses(of: "uplink", in: world.lab.host)
      let floatingIPs = floating.map { isOnLink ? #"{"ip": "\#($0)", "device": "uplink"}"# : #""\#($0)""# }
      let network = try world.network(1), other = try world.network(2)
      let first = try network.add(1, args: #"{"floatingIPs": [\#(floatingIPs.joined(separator: ", "))]}"#)
      _ = try network.add(2)
      _ = try other.add(3)
      for outcome in try network.check(first) { #expect(outcome.isSuccess, "\(outcome)") }
      try world.expect(expectations(floating))
      try network.delete(first, knowing: false)
      try world.expect(floating.map { Expectation(.outside, to: $0, 80, by: nil) })
      #expect(try world.lab.addresses(of: "uplink", in: world.lab.host) == addresses)
      try network.collectGarbage()
      try other.collectGarbage()
      #expect(try world.ruleset() == before)
    }
  }

  @Test func `a floating address is announced to the neighbours`() throws {
    try World.use(.nftables, containers: 2) { world in
      // The neighbour has the address with the MAC address of another host.
      let elsewhere = "lladdr 02:00:00:00:00:99 dev eth0"
      try world.lab.shell(
        "ip neigh add 192.0.2.50 \(elsewhere) nud stale; ip neigh add 2001:db8::50 \(elsewhere) nud stale",
        in: world.namespace(.outside))
      let network = try world.network(1)
      let floatingIPs = ["192.0.2.50", "2001:db8::50"].map { #"{"ip": "\#($0)", "device": "uplink"}"# }
      let heard = try world.lab.captured(on: "eth0", in: world.namespace(.outside)) {
        _ = try network.add(1, args: #"{"floatingIPs": [\#(floatingIPs.joined(separator: ", "))]}"#)
      }
      #expect(heard.contains("- arp 192.0.2.50 192.0.2.50"))
      #expect(heard.contains("- na 2001:db8::50 ff02::1"))
      let known = try world.lab.shell("ip neigh", in: world.namespace(.outside))
      #expect(!known.contains("02:00:00:00:00:99"))
    }
  }

  @Test(arguments: Backend.allCases)
  func `cnictl gives a floating address to a running container, moves it and takes it away`(backend: Backend) throws {
    try World.use(backend, containers: 2) { world in
      try world.useTables()
      let before = try world.ruleset()
      let addresses = try world.lab.addresses(of: "uplink", in: world.lab.host)
      try world.cnictl(
        "network", "create", "-o", "backend=\(backend.rawValue)", "--subnet", "10.78.1.0/24", "--subnet", "fd78:1::/64",
        "net")
      let containers = (1...2).map { world.lab.container($0) }
      try world.cnictl("connect", "-p", "8080:80", "net", containers[0])
      try world.cnictl("connect", "net", containers[1])
      let withoutFloats = try world.ruleset()
      for address in Self.floating {
        try world.cnictl("floating-ip", "assign", "--device", "uplink", address, "net", containers[0])
      }
      try expect(1, in: world)
      let list = ["floating-ip", "ls", "--json"]
      #expect(try world.tryCnictl(list).json?.array?.map { $0.text("container") } == [containers[0], containers[0]])
      for address in Self.floating {
        let assign = ["floating-ip", "assign", "--device", "uplink", address, "net", containers[1]]
        let refused = try world.tryCnictl(assign + ["--json"])
        #expect(refused.code == 107 && refused.complaint.contains(containers[0]), "\(refused)")
        try world.cnictl(assign + ["--move"])
      }
      try expect(2, in: world)
      for address in Self.floating { try world.cnictl("floating-ip", "release", address) }
      try expect(nil, in: world)
      #expect(try world.ruleset() == withoutFloats)
      #expect(try world.lab.addresses(of: "uplink", in: world.lab.host) == addresses)
      #expect(try !world.tryCnictl(["floating-ip", "release", Self.floating[0]]).isSuccess)
      for address in Self.floating {
        try world.cnictl("floating-ip", "assign", "--device", "uplink", address, "net", containers[1])
      }
      for container in containers { try world.cnictl("disconnect", "net", container) }
      #expect(try world.lab.addresses(of: "uplink", in: world.lab.host) == addresses)
      #expect(try world.ruleset() == before)
    }
  }

  /// The container that answers at the addresses; container 1 always answers at its published port.
  private func expect(_ container: Int?, in world: World) throws {
    let place = container.map { Place.container($0) }
    try world.expect(
      Expectation.ofBothFamilies { family in
        [
          Expectation(.outside, to: Self.floating[family], 80, by: place),
          Expectation(.outside, to: World.host[family], 8080, by: .container(1)),
        ]
      })
  }

  private static let floating = ["192.0.2.50", "2001:db8::50"]

  /// All places reach container 1 at these addresses, and only its packets have them as source.
  private func expectations(_ floating: [String]) -> [Expectation] {
    Expectation.ofBothFamilies { family in
      var wanted: [Expectation] = []
      for (transport, port) in [(Probe.Transport.tcp, 80), (.tcp, 81), (.udp, 80), (.ping, 0)] {
        let places: [Place] = [.outside, .host, .container(1), .container(2), .container(3)]
        wanted += places.map { Expectation($0, to: floating[family], transport, port, by: .container(1)) }
      }
      let outside = World.outside[family], host = World.host[family]
      wanted += [
        Expectation(.outside, to: floating[family], 80, by: .container(1), seeing: outside),
        Expectation(.container(1), to: outside, 80, by: .outside, seeing: floating[family]),
        Expectation(.container(1), to: outside, .udp, 80, by: .outside, seeing: floating[family]),
        Expectation(.container(2), to: outside, 80, by: .outside, seeing: host),
        Expectation(.host, to: outside, 80, by: .outside, seeing: host),
      ]
      return wanted
    }
  }
}
