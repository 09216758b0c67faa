import CNI
import LabSupport
import Testing

@Suite(.needsRoot)
struct BridgeAddTests {
  @Test(arguments: SpecVersion.allCases, Families.allCases)
  func `the result has its version's format and matches the host`(
    version: SpecVersion, families: Families
  ) throws {
    try Lab.use { lab in
      let config = try lab.bridge(#"{"isDefaultGateway": true}"#, subnets: families.subnets, version: version)
      let result = try lab.add(config).result()
      let inside = lab.container(1)
      let eth0 = try #require(try lab.link("eth0", in: inside))
      let br0 = try #require(try lab.link("br0", in: lab.host))
      let ports = try lab.linkNames(in: lab.host).filter { $0 != "br0" }
      #expect(ports.count == 1)
      let port = try #require(try ports.first.flatMap { try lab.link($0, in: lab.host) })
      #expect(port.text("master") == "br0")
      #expect(port.text("link_index") == eth0.text("ifindex"))
      let golden = Golden(
        families: families, bridgeMAC: br0.text("address") ?? "", hostInterface: ports[0],
        hostMAC: port.text("address") ?? "", containerMAC: eth0.text("address") ?? "", sandbox: lab.path(inside))
      #expect(try result == golden.result(version))
    }
  }

  @Test(arguments: SpecVersion.allCases, Families.allCases)
  func `containers and host reach each other at once`(version: SpecVersion, families: Families) throws {
    try Lab.use(containers: 2) { lab in
      let config = try lab.bridge(#"{"isDefaultGateway": true}"#, subnets: families.subnets, version: version)
      for number in 1...2 {
        _ = try lab.add(config, to: number).result()
        for host in families.hosts { #expect(try lab.pings(host, from: lab.container(number))) }
        for own in families.container(number) { #expect(try lab.pings(own, from: lab.host)) }
      }
      for other in families.container(1) { #expect(try lab.pings(other, from: lab.container(2))) }
      for other in families.container(2) { #expect(try lab.pings(other, from: lab.container(1))) }
    }
  }

  @Test(arguments: [Families.v4, .v6, .dual])
  func `addresses, routes, gateway and forwarding are set`(families: Families) throws {
    try Lab.use { lab in
      _ = try lab.add(try lab.bridge(#"{"isDefaultGateway": true}"#, subnets: families.subnets)).result()
      let inside = lab.container(1)
      #expect(
        try lab.addresses(of: "eth0", in: inside) == (families.hasV4 ? ["10.77.0.2/24"] : [])
          + (families.hasV6 ? ["fd77::2/64"] : []))
      #expect(
        try lab.addresses(of: "br0", in: lab.host) == (families.hasV4 ? ["10.77.0.1/24"] : [])
          + (families.hasV6 ? ["fd77::1/64"] : []))
      let v4 = try lab.route("default", .v4, in: inside), v6 = try lab.route("default", .v6, in: inside)
      #expect(v4?.text("gateway") == (families.hasV4 ? "10.77.0.1" : nil))
      #expect(v6?.text("gateway") == (families.hasV6 ? "fd77::1" : nil))
      #expect(try !families.hasV4 || lab.sysctl("net/ipv4/ip_forward", in: lab.host) == "1")
      #expect(try !families.hasV6 || lab.sysctl("net/ipv6/conf/all/forwarding", in: lab.host) == "1")
    }
  }

  @Test(arguments: ["10.77.0.0/24", "fd77::/64"])
  func `TCP passes between containers and to the host`(subnet: String) throws {
    try Lab.use(containers: 2) { lab in
      let config = try lab.bridge(#"{"isGateway": true}"#, subnets: [subnet])
      for number in 1...2 { _ = try lab.add(config, to: number).result() }
      let prefix = subnet.hasPrefix("fd") ? "fd77::" : "10.77.0."
      #expect(try lab.connects(from: lab.container(1), to: prefix + "3", in: lab.container(2)))
      #expect(try lab.connects(from: lab.container(2), to: prefix + "1", in: lab.host))
      #expect(try lab.connects(from: lab.host, to: prefix + "2", in: lab.container(1)))
    }
  }

  @Test(arguments: Families.allCases)
  func `loopback is up in the container`(families: Families) throws {
    try Lab.use { lab in
      _ = try lab.add(try lab.bridge(subnets: families.subnets)).result()
      #expect(try lab.pings("127.0.0.1", from: lab.container(1)))
    }
  }

  @Test(arguments: Families.allCases)
  func `DEL after ADD leaves everything unchanged`(families: Families) throws {
    try Lab.use(containers: 2) { lab in
      let config = try lab.bridge(#"{"isDefaultGateway": true}"#, subnets: families.subnets)
      _ = try lab.add(config, to: 1).result()
      try lab.shell("ip link set lo up", in: lab.container(2))
      let before = try Snapshot(of: lab)
      _ = try lab.add(config, to: 2).result()
      #expect(try !Snapshot(of: lab).changes(since: before).isEmpty)
      #expect(try lab.delete(config, from: 2).isSuccess)
      try lab.expectUnchanged(since: before)
    }
  }
}
