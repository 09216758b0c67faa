import CNI
import LabSupport
import Testing

/// Policies on hosts whose own rules drop forwarded packets: Docker's, ufw's and firewalld's.
@Suite(.needsRoot)
struct PolicyBesideOthersTests {
  /// Networks 1 and 3 whose containers may open any connection, network 2 with a policy; `firewall` admits all of them.
  private func attach(_ world: World, firewall: String = "{}") throws -> [Network.Attachment] {
    let policies = [
      #"{"default": "allow"}"#,
      #"""
      {"ingress": [{"from": {"network": "\#(world.lab.name)-n1"}, "ports": ["80"]},
                   {"from": {"cidr": "192.0.2.0/24"}, "ports": ["81"]},
                   {"from": {"cidr": "2001:db8::/64"}, "ports": ["81"]}],
       "egress": [{"to": {"network": "\#(world.lab.name)-n1"}, "ports": ["80/tcp"]}]}
      """#, nil,
    ]
    return try policies.enumerated().map { index, policy in
      var network = try world.network(index + 1, firewall: policy.map { #"{"policy": \#($0)}"# } ?? "{}")
      let last = network.plugins.count - 1
      network.plugins[last] = network.plugins[last].merging(try JSONValue(json: firewall))
      return try network.add(index + 1)
    }
  }

  /// `accepts`: whether the host's own rules accept what comes from outside, for each family.
  private func expectations(_ attachments: [Network.Attachment], accepts: [Bool]) -> [Expectation] {
    Expectation.ofBothFamilies { family in
      let web = attachments[0].addresses[family], limited = attachments[1].addresses[family]
      return [Probe.Transport.tcp, .udp].flatMap { transport in
        [
          Expectation(.container(1), to: limited, transport, 80, by: .container(2)),
          Expectation(.container(1), to: limited, transport, 81, by: nil),
          Expectation(.container(3), to: limited, transport, 80, by: nil),
          Expectation(.outside, to: limited, transport, 81, by: accepts[family] ? .container(2) : nil),
          Expectation(.outside, to: limited, transport, 80, by: nil),
          Expectation(.container(2), to: web, transport, 80, by: transport == .tcp ? .container(1) : nil),
          Expectation(.container(2), to: World.outside[family], transport, 80, by: nil),
          Expectation(.container(3), to: World.outside[family], transport, 80, by: .outside),
        ]
      }
    }
  }

  private static let cases = HostRules.allCases.flatMap { rules in
    Backend.allCases.flatMap { backend in ["legacy", "nft"].map { (rules, backend, $0) } }
  }

  @Test(arguments: cases)
  func `both the policy and the host's own rules must accept a connection`(
    rules: HostRules, backend: Backend, flavour: String
  ) throws {
    try World.use(backend, containers: 3) { world in
      if flavour == "legacy" { try world.useTables() }
      try world.load(rules, flavour)
      let attachments = try attach(world)
      try world.expect(expectations(attachments, accepts: [false, false]))
      try world.shell("for v in iptables ip6tables; do $v-\(flavour) -I FORWARD -i uplink -j ACCEPT; done")
      try world.expect(expectations(attachments, accepts: [true, true]))
    }
  }

  @Test func `Docker's rules do not get around a policy, also after Docker restarts`() throws {
    try World.use(.iptables, containers: 3) { world in
      try world.shell("echo 0 > /proc/sys/net/ipv4/ip_forward")
      let docker = try DockerEngine(in: world, "nft")
      try docker.start()
      defer { docker.end() }
      let attachments = try attach(world)
      for _ in 0..<2 {
        // Docker has no rules for IPv6.
        try world.expect(expectations(attachments, accepts: [false, true]))
        docker.end()
        try docker.start()
      }
    }
  }

  @Test(arguments: Backend.allCases)
  func `firewalld's trusted zone does not get around a policy, also after a reload`(backend: Backend) throws {
    try World.use(backend, containers: 3) { world in
      try world.withFirewalld {
        let attachments = try attach(world, firewall: #"{"backend": "firewalld"}"#)
        try world.expect(expectations(attachments, accepts: [false, false]))
        try world.shell("firewall-cmd --reload")
        if backend == .iptables { try world.repair() }
        try world.expect(expectations(attachments, accepts: [false, false]))
      }
    }
  }
}
