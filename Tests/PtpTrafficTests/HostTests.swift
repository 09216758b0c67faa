import BaseSupport
import CNI
import LabSupport
import Testing

/// Containers with the other end on the host.
@Suite(.needsRoot)
struct HostTests {
  @Test(arguments: Families.allCases)
  func `containers and host reach each other right after ADD with their own addresses`(families: Families) throws {
    try Lab.use(containers: 2) { lab in
      let config = try lab.ptp("{}", families)
      let results = try (1...2).map { try lab.attach(config, $0) }
      #expect(results[0].list("ips").map { $0.text("interface") } == families.subnets.map { _ in "1" })
      let one = families.container(1), two = families.container(2)
      var probes: [(from: String, to: String, seen: String)] = []
      for index in families.subnets.indices {
        let gateway = families.gateways[index]
        probes += [
          (lab.container(1), gateway, one[index]), (lab.container(2), gateway, two[index]),
          (lab.host, one[index], gateway), (lab.host, two[index], gateway),
          (lab.container(1), two[index], one[index]), (lab.container(2), one[index], two[index]),
        ]
      }
      let servers = [lab.host, lab.container(1), lab.container(2)].flatMap { place in
        [Server(place, in: place, .tcp, 80), Server(place, in: place, .udp, 80)]
      }
      for transport in [Probe.Transport.tcp, .udp] {
        let answers = try lab.answers(
          to: probes.map { Probe(from: $0.from, to: $0.to, transport, 80, patience: 5) }, servers: servers)
        let seen = answers.map { if case .by(_, let seen, _) = $0 { seen } else { "\($0)" } }
        #expect(seen == probes.map(\.seen))
      }
      for (number, result) in results.enumerated() { #expect(try lab.complaint(config, result, number + 1) == "") }
    }
  }

  @Test(arguments: Families.allCases)
  func `the first packet after ADD gets an answer`(families: Families) throws {
    try Lab.use { lab in
      let config = try lab.ptp("{}", families)
      for _ in 1...5 {
        let result = try lab.attach(config)
        for ip in result.list("ips") {
          let address = try #require(ip.text("address")?.split(separator: "/").first)
          #expect(try lab.pings("\(address)", from: lab.host))
          #expect(try lab.pings(#require(ip.text("gateway")), from: lab.container(1)))
        }
        try lab.detach(config)
      }
    }
  }

  @Test func `addresses and routes are those of a point-to-point link`() throws {
    try Lab.use(containers: 2) { lab in
      let config = try lab.ptp()
      let ends = try (1...2).map { try lab.hostEnd(lab.attach(config, $0)) }
      #expect(try lab.addresses(of: "eth0", in: lab.container(1)) == ["10.78.0.2/24", "fd78::2/64"])
      for end in ends {
        #expect(try lab.addresses(of: end, in: lab.host) == ["10.78.0.1/32", "fd78::1/128"])
        #expect(try lab.sysctl("net/ipv6/conf/\(end)/accept_ra", in: lab.host) == "0")
      }
      for (destination, end) in zip(["10.78.0.2", "10.78.0.3"], ends) {
        #expect(try lab.route(destination, in: lab.host)?.text("dev") == end)
      }
      for (destination, end) in zip(["fd78::2", "fd78::3"], ends) {
        #expect(try lab.route(destination, .v6, in: lab.host)?.text("dev") == end)
      }
      #expect(
        try lab.destinations(in: lab.container(1))
          == ["10.78.0.0/24", "10.78.0.1", "default", "default", "fd78::/64", "fd78::1"])
      #expect(try lab.route("10.78.0.0/24", in: lab.container(1))?.text("gateway") == "10.78.0.1")
      #expect(try lab.route("fd78::/64", .v6, in: lab.container(1))?.text("gateway") == "fd78::1")
      #expect(try lab.sysctl("net/ipv4/ip_forward", in: lab.host) == "1")
      #expect(try lab.sysctl("net/ipv6/conf/all/forwarding", in: lab.host) == "1")
      // DEL removes the host end of the first container; the gateway address is also on the second one's host end.
      try lab.detach(config, 1)
      #expect(try lab.pings("10.78.0.1", from: lab.container(2)))
      #expect(try lab.pings("fd78::1", from: lab.container(2)))
    }
  }

  @Test func `the host's end has no IPv6 if the container has none`() throws {
    try Lab.use { lab in
      let end = try lab.hostEnd(lab.attach(lab.ptp("{}", .v4)))
      #expect(try lab.sysctl("net/ipv6/conf/\(end)/disable_ipv6", in: lab.host) == "1")
      #expect(try lab.sysctl("net/ipv6/conf/all/forwarding", in: lab.host) == "0")
    }
  }

  @Test(arguments: Backend.allCases, Families.allCases)
  func `with ipMasq the outside sees the host's address, without it no reply returns`(
    backend: Backend, families: Families
  ) throws {
    try Lab.use(containers: 3) { plain in
      try plain.makeUplink()
      let lab = try plain.withOwnState()
      let before = try lab.rules()
      let masked = try lab.ptp(#"{"ipMasq": true, "ipMasqBackend": "\#(backend)"}"#, families)
      let results = try [1, 2].map { try lab.attach(masked, $0) }
      // Another network without masquerading, to which no machine outside has a route.
      let open = try lab.ptp(
        #"""
        {"name": "\#(lab.name)-open", "ipam": {"type": "host-local", "dataDir": "\#(lab.dataDir)",
         "subnet": "10.79.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]}}
        """#, .v4)
      _ = try lab.attach(open, 3)
      let outside = families.subnets.map { $0.hasPrefix("fd") ? "2001:db8::1" : "192.0.2.1" }
      let hosts = families.subnets.map { $0.hasPrefix("fd") ? "2001:db8::2" : "192.0.2.2" }
      let servers = [Server("out", in: "\(lab.name)-out", .tcp, 80), Server("c2", in: lab.container(2), .tcp, 80)]
      let probes =
        (outside + families.container(2)).map { Probe(from: lab.container(1), to: $0, .tcp, 80, patience: 5) }
        + [Probe(from: lab.container(3), to: "192.0.2.1", .tcp, 80, patience: 0.4)]
      let seen = try lab.answers(to: probes, servers: servers).map { answer in
        if case .by(_, let seen, _) = answer { seen } else { "nothing" }
      }
      #expect(seen == hosts + families.container(1) + ["nothing"])
      #expect(try lab.complaint(masked, results[0], 1) == "")
      #expect(try lab.rules().contains { $0.hasPrefix("-A") } == (backend == .iptables))
      // The first is removed by DEL without namespace and `ipMasq`, the second by GC.
      var call = lab.call("DEL", try JSONValue(json: "{}"), on: 1, plugin: "ptp")
      call.config = masked.without("ipMasq").without("ipMasqBackend").line
      call.variables["CNI_NETNS"] = ""
      try lab.run(call).requireSuccess()
      try lab.ask("GC", masked.with("cni.dev/valid-attachments", .array([])), plugin: "ptp").requireSuccess()
      #expect(try lab.rules().filter { $0.hasPrefix("-A") } == before.filter { $0.hasPrefix("-A") })
      #expect(try lab.rules().filter { $0.contains(lab.name) } == [])
      #expect(try lab.linkNames(in: lab.container(1)) == [])
      #expect(try lab.linkNames(in: lab.container(2)) == [])
    }
  }

  @Test(arguments: Backend.allCases)
  func `CHECK reports deleted rules`(backend: Backend) throws {
    try Lab.use { plain in
      let lab = try plain.withOwnState()
      let config = try lab.ptp(#"{"ipMasq": true, "backend": "\#(backend)"}"#)
      let result = try lab.attach(config)
      #expect(try lab.complaint(config, result) == "")
      try lab.shell(
        "nft flush ruleset; iptables-legacy -w -t nat -F; ip6tables-legacy -w -t nat -F", in: lab.host)
      #expect(try lab.complaint(config, result).contains("packet filter: "))
    }
  }

  @Test func `50 concurrent containers are each reachable by their own route`() throws {
    try Lab.use(containers: 50) { lab in
      let config = try lab.ptp()
      let results = atOnce(50) { try lab.attach(config, $0 + 1) }.compactMap { try? $0.get() }
      #expect(results.count == 50)
      #expect(Set(results.compactMap { $0.text("ips.0.address") }).count == 50)
      #expect(try lab.linkNames(in: lab.host).count == 50)
      let probes = results.flatMap { $0.list("ips") }.compactMap { ip in
        ip.text("address")?.split(separator: "/").first.map {
          Probe(from: lab.host, to: "\($0)", .ping, 0, patience: 5)
        }
      }
      let answered = try lab.answers(to: probes, servers: []).filter { if case .by = $0 { true } else { false } }
      #expect(answered.count == 100)
      let failures = atOnce(50) { try lab.detach(config, $0 + 1) }.filter {
        if case .failure = $0 { true } else { false }
      }
      #expect(failures.count == 0)
      #expect(try lab.linkNames(in: lab.host) == [])
      #expect(try lab.leases(of: "\(lab.name)-p") == [])
    }
  }
}
