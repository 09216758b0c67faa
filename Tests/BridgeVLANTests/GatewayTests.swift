import CNI
import LabSupport
import Testing

/// A gateway on the host that belongs to one VLAN.
@Suite(.needsRoot)
struct GatewayTests {
  @Test func `the gateway of a VLAN answers only in that VLAN`() throws {
    try Lab.use(containers: 2) { lab in
      let result = try lab.add(lab.network("ten", #"{"vlan": 10, "isGateway": true}"#), to: 1).result()
      _ = try lab.add(lab.network("twenty", #"{"vlan": 20}"#, first: 30), to: 2).result()
      #expect(result.list("interfaces").map { $0.text("name") } == ["br0", result.port, "eth0", "br0.10"])
      #expect(result.text("interfaces.3.mac") == (try lab.link("br0.10", in: lab.host)?.text("address")))
      #expect(try lab.addresses(of: "br0.10", in: lab.host) == ["10.77.0.1/24", "fd77::1/64"])
      #expect(try lab.addresses(of: "br0", in: lab.host) == [])
      #expect(try lab.vlans(of: "br0-10") == ["10 PVID Egress Untagged"])
      let gateways = ["10.77.0.1", "fd77::1"]
      #expect(try lab.answers(from: 1, to: gateways, want: true) == [true, true])
      #expect(try lab.answers(from: 2, to: gateways, want: false) == [false, false])
      #expect(try lab.pings(result.addresses[0], from: lab.host))
    }
  }

  @Test func `containers of two VLANs reach each other through their gateways`() throws {
    try Lab.use(containers: 2) { lab in
      let results = try (1...2).map { number in
        let config = try lab.bridge(
          #"{"name": "net\#(number)", "vlan": \#(number)0, "isDefaultGateway": true}"#,
          subnets: ["10.77.\(number).0/24", "fd77:\(number)::/64"])
        return try lab.add(config, to: number).result()
      }
      #expect(try lab.answers(from: 1, to: results[1].addresses, want: true) == [true, true])
      // The route leads through the host as a router; the container is no neighbour.
      for address in results[1].addresses {
        let way = try lab.shell("ip route get \(address)", in: lab.container(1))
        #expect(way.contains(address.contains(":") ? "via fd77:1::1" : "via 10.77.1.1"))
      }
    }
  }

  @Test func `a second container of the VLAN uses the same gateway`() throws {
    try Lab.use(containers: 2) { lab in
      let config = try lab.network("ten", #"{"vlan": 10, "isGateway": true}"#)
      for number in 1...2 { _ = try lab.add(config, to: number).result() }
      #expect(try lab.answers(from: 2, to: ["10.77.0.1", "fd77::1"], want: true) == [true, true])
      #expect(try lab.linkNames(in: lab.host).filter { $0.hasPrefix("br0") } == ["br0", "br0-10", "br0.10"])
    }
  }

  @Test(arguments: ["iptables", "nftables"])
  func `isolation blocks other networks from a VLAN with its gateway on the host`(backend: String) throws {
    try Lab.use(containers: 2) { plain in
      let lab = try plain.withOwnState()
      let results = try (1...2).map { number in
        let config = try lab.bridge(
          #"""
          {"name": "net\#(number)", "vlan": \#(number)0, "isDefaultGateway": true,
           "isolation": "\#(number == 1 ? "network" : "none")", "backend": "\#(backend)"}
          """#, subnets: ["10.77.\(number).0/24", "fd77:\(number)::/64"])
        return try lab.add(config, to: number).result()
      }
      #expect(try lab.answers(from: 2, to: results[0].addresses, want: false) == [false, false])
      #expect(try lab.answers(from: 1, to: results[1].addresses, want: false) == [false, false])
      #expect(try lab.answers(from: 1, to: ["10.77.1.1", "fd77:1::1"], want: true) == [true, true])
    }
  }

  @Test(arguments: ["iptables", "nftables"])
  func `packets that leave a VLAN with ipMasq have the host's address`(backend: String) throws {
    try Lab.use(containers: 3) { plain in
      let lab = try plain.withOwnState()
      try lab.connectOutside(lab.container(3))
      let config = try lab.network(
        "ten", #"{"vlan": 10, "isDefaultGateway": true, "ipMasq": true, "backend": "\#(backend)"}"#)
      let result = try lab.add(config, to: 1).result()
      let second = try lab.add(config, to: 2).result()
      let servers = [2, 3].map { Server("c\($0)", in: lab.container($0), .tcp, 80) }
      let targets = ["192.0.2.1", "2001:db8::1"] + second.addresses
      let answers = try lab.answers(
        to: targets.map { Probe(from: lab.container(1), to: $0, .tcp, 80, patience: 10) }, servers: servers)
      let seen = answers.map { if case .by(let name, let source, _) = $0 { "\(name) \(source)" } else { "\($0)" } }
      #expect(seen == ["c3 192.0.2.2", "c3 2001:db8::2"] + result.addresses.map { "c2 \($0)" })
      #expect(try lab.check(config, result).isSuccess)
    }
  }
}

extension Lab {
  /// Connects a namespace to the host's uplink, as a neighbour without a route to the containers.
  fileprivate func connectOutside(_ namespace: String) throws {
    try shell(
      """
      ip link add up0 type veth peer name up1 netns \(namespace)
      ip link set up0 up
      ip address add 192.0.2.2/24 dev up0
      ip address add 2001:db8::2/64 dev up0 nodad
      """, in: host)
    try shell(
      """
      ip link set up1 up
      ip address add 192.0.2.1/24 dev up1
      ip address add 2001:db8::1/64 dev up1 nodad
      """, in: namespace)
  }
}
