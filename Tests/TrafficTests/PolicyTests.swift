import CNI
import LabSupport
import Testing

/// The key `policy` of `firewall` and `bridge`: which connections pass between networks.
@Suite(.needsRoot)
struct PolicyTests {
  /// The plugin of the chain that has the key.
  enum Holder: String, CaseIterable, Sendable { case firewall, bridge }

  /// Network 1, whose container 1 has the label `tier=web`; network 2 with the policy and the containers 2 and 3;
  /// network 4, which the policy does not name, with container 4.
  private static func use(
    _ holder: Holder, _ backend: Backend = .nftables, filtersBridges: Bool = false, policy: (World) -> String,
    _ body: (World, [Network], [Network.Attachment]) throws -> Void
  ) throws {
    try World.use(backend, containers: 4, filtersBridges: filtersBridges) { world in
      let key = #"{"policy": \#(policy(world))}"#, open = #"{"policy": {"default": "allow"}}"#
      let networks = [
        holder == .firewall ? try world.network(1, firewall: open) : try world.network(1, open),
        holder == .firewall ? try world.network(2, firewall: key) : try world.network(2, key),
        try world.network(4),
      ]
      let labels = #"{"labels": [{"key": "tier", "value": "web"}]}"#
      let attachments = [
        try networks[0].add(1, args: labels), try networks[1].add(2), try networks[1].add(3), try networks[2].add(4),
      ]
      try body(world, networks, attachments)
    }
  }

  private static func limits(_ world: World) -> String {
    #"""
    {"ingress": [{"from": {"network": "\#(world.lab.name)-n1"}, "ports": ["80"]},
                 {"from": {"label": "tier=web"}, "ports": ["81/udp", "90-95/tcp"]},
                 {"from": {"cidr": "192.0.2.0/24"}, "ports": ["81/tcp"]},
                 {"from": {"cidr": "2001:db8::/64"}, "ports": ["81/tcp"]}],
     "egress": [{"to": {"network": "\#(world.lab.name)-n1"}, "ports": ["80/tcp"]}]}
    """#
  }

  private static func expectations(_ attachments: [Network.Attachment]) -> [Expectation] {
    Expectation.ofBothFamilies { family in
      let web = attachments[0].addresses[family], limited = attachments[1].addresses[family]
      return [
        Expectation(.container(1), to: limited, .tcp, 80, by: .container(2)),
        Expectation(.container(1), to: limited, .udp, 80, by: .container(2)),
        Expectation(.container(1), to: limited, .udp, 81, by: .container(2)),
        Expectation(.container(1), to: limited, .tcp, 81, by: nil),
        Expectation(.container(1), to: limited, .ping, by: nil),
        Expectation(.outside, to: limited, .tcp, 81, by: .container(2)),
        Expectation(.outside, to: limited, .tcp, 80, by: nil),
        Expectation(.container(4), to: limited, .tcp, 80, by: nil),
        Expectation(.container(3), to: limited, .tcp, 81, by: .container(2)),
        Expectation(.host, to: limited, .tcp, 81, by: .container(2)),
        Expectation(.container(2), to: web, .tcp, 80, by: .container(1)),
        Expectation(.container(2), to: web, .udp, 80, by: nil),
        Expectation(.container(2), to: World.outside[family], .tcp, 80, by: nil),
        Expectation(.container(1), to: World.outside[family], .tcp, 80, by: .outside),
        Expectation(.container(4), to: web, .tcp, 80, by: .container(1)),
      ]
    }
  }

  @Test(arguments: Holder.allCases, [false, true])
  func `a policy allows the connections that it lists and no others`(holder: Holder, filtersBridges: Bool) throws {
    try Self.use(holder, filtersBridges: filtersBridges, policy: Self.limits) { world, networks, attachments in
      try world.expect(Self.expectations(attachments))
      for (network, attachment) in [(networks[0], attachments[0]), (networks[1], attachments[1])] {
        for outcome in try network.check(attachment) { try outcome.requireSuccess() }
      }
    }
  }

  @Test(arguments: Holder.allCases)
  func `the last policy leaves no rules and no files`(holder: Holder) throws {
    try Self.use(holder, policy: Self.limits) { world, networks, attachments in
      try networks[0].delete(attachments[0])
      try networks[1].delete(attachments[1], knowing: false)
      #expect(try !world.ruleset().filter { $0.contains("limited_in") }.isEmpty)
      try networks[1].delete(attachments[2])
      try networks[2].delete(attachments[3])
      #expect(try world.ruleset().filter { $0.contains("swift_cni") } == [])
      #expect(try world.shell("find /run/swift-cni -name peers") == "")
    }
  }

  @Test(arguments: Holder.allCases)
  func `after a flush CHECK names the policy and repair restores it`(holder: Holder) throws {
    try Self.use(holder, policy: Self.limits) { world, networks, attachments in
      try world.flush()
      #expect(try networks[1].check(attachments[1]).contains { !$0.isSuccess && $0.output.contains("policy of") })
      try world.lab.run("\(Binaries.ours)/cnictl", ["repair"], in: world.lab.host).requireSuccess()
      for outcome in try networks[1].check(attachments[1]) { try outcome.requireSuccess() }
      try world.expect(Self.expectations(attachments))
    }
  }

  @Test func `CHECK misses the link of a network that the policy names, and repair restores it`() throws {
    try Self.use(.firewall, policy: Self.limits) { world, networks, attachments in
      let set = try world.shell("nft list sets inet | grep -o 'network_[a-z0-9]*_links'").dropLast()
      try world.shell("nft delete element inet swift_cni \(set) '{ \"br1\" }'")
      #expect(try networks[1].check(attachments[1]).contains { $0.output.contains("policy of") })
      try world.lab.run("\(Binaries.ours)/cnictl", ["repair"], in: world.lab.host).requireSuccess()
      for outcome in try networks[1].check(attachments[1]) { try outcome.requireSuccess() }
      try world.expect(Self.expectations(attachments))
    }
  }

  @Test(arguments: Holder.allCases)
  func `nft reads the rules that it lists`(holder: Holder) throws {
    try Self.use(holder, policy: Self.limits) { world, _, _ in
      let file = "\(world.lab.directory)/rules"
      try world.shell("nft list ruleset > \(file) && nft -c -f \(file)")
    }
  }

  @Test(arguments: Holder.allCases)
  func `GC removes the policies of containers that are gone`(holder: Holder) throws {
    try Self.use(holder, policy: Self.limits) { world, networks, _ in
      try networks[1].collectGarbage(keeping: [3])
      let members = try world.shell("nft list sets inet | sed -n '/set limit_in_/,/}/p'")
      #expect(members.contains("10.77.2.3 ") && !members.contains("10.77.2.2 "))
      for network in networks { try network.collectGarbage() }
      #expect(try world.ruleset().filter { $0.contains("swift_cni") } == [])
      #expect(try world.shell("find /run/swift-cni -name peers") == "")
    }
  }

  /// Opens a connection from container 1 to container 2, on which it sends `hello` when there is a file `go`.
  private static func connect(_ world: World, to address: String) throws {
    let server = "ip netns exec \(world.namespace(.container(2)))"
    let client = "ip netns exec \(world.namespace(.container(1)))"
    try world.shell(
      """
      cd \(world.lab.directory)
      cat > server.py <<'END'
      from socket import create_server
      connection, _ = create_server(("", 4000)).accept()
      data = connection.recv(6)
      open("got", "wb").write(data)
      END
      cat > client.py <<'END'
      from os.path import exists
      from socket import create_connection
      from time import sleep
      connection = create_connection(("\(address)", 4000), timeout=30)
      open("connected", "w")
      for _ in range(300):
        if exists("go"): break
        sleep(0.1)
      connection.sendall(b"hello\\n")
      END
      timeout 60 \(server) python3 server.py > server.log 2>&1 &
      for i in $(seq 100); do \(server) ss -Hltn | grep -q :4000 && break; sleep 0.1; done
      timeout 60 \(client) python3 client.py > client.log 2>&1 &
      for i in $(seq 100); do [ -e connected ] && break; sleep 0.1; done
      """)
  }

  @Test func `an established connection stays when policies are added and removed`() throws {
    try World.use(.nftables, containers: 3) { world in
      let limited = try world.network(2, firewall: #"{"policy": {}}"#)
      var attachment = try world.network(2).add(2)
      _ = try world.network(1).add(1)
      try Self.connect(world, to: attachment.addresses[0])
      attachment.result = try world.lab.run(limited.call("ADD", #require(limited.plugins.last), attachment)).result()
      try limited.delete(limited.add(3))
      try world.expect([Expectation(.container(1), to: attachment.addresses[0], .tcp, 80, by: nil)])
      let received = try world.shell(
        "cd \(world.lab.directory); touch go; for i in $(seq 100); do grep -s hello got && break; sleep 0.1; done")
      #expect(received == "hello\n")
    }
  }

  @Test(arguments: [(#"{"default": "allow"}"#, true), (#"{"ingress": [{}]}"#, false)])
  func `a container of ptp cannot get around its policy with another address`(policy: String, passes: Bool) throws {
    try World.use(.nftables, containers: 2) { world in
      let plain = try world.network(1).add(1)
      var limited = try world.network(
        2, #"{"type": "ptp", "ipMasq": false}"#, firewall: #"{"policy": \#(policy)}"#)
      limited.plugins[0] = limited.plugins[0].without("bridge").without("isDefaultGateway").without("hairpinMode")
      let attachment = try limited.add(2)
      let namespace = world.namespace(.container(2))
      let hostEnd = try #require(attachment.result.list("interfaces").first?.text("name"))
      try world.shell(
        """
        ip -n \(namespace) route add default via 10.77.2.1
        ip -n \(namespace) -6 route add default via fd77:2::1
        ip -n \(namespace) address add 10.77.2.99/32 dev eth0
        ip route add 10.77.2.99 dev \(hostEnd)
        """)
      let forged = Probe(
        from: namespace, to: plain.addresses[0], .udp, 80, source: "10.77.2.99", patience: passes ? 5 : 0.4)
      let answers = try world.lab.answers(
        to: [forged], servers: [Server("c1", in: world.namespace(.container(1)), .udp, 80)])
      #expect((answers == [.none("silence")]) != passes)
      try world.expect(
        Expectation.ofBothFamilies { family in
          [
            Expectation(.container(2), to: plain.addresses[family], .tcp, 80, by: passes ? .container(1) : nil),
            Expectation(.container(1), to: attachment.addresses[family], .tcp, 80, by: .container(2)),
          ]
        })
    }
  }

  @Test(arguments: ["vlan", "ptp", "dummy", "none", "host", "portmap", "tuning", "dns-hosts"])
  func `a plugin that limits no connections refuses a policy`(plugin: String) throws {
    try Lab.use { lab in
      let config = try JSONValue(
        json: #"{"cniVersion": "1.1.0", "name": "net", "type": "\#(plugin)", "policy": {}}"#)
      let outcome = try lab.add(config, plugin: plugin)
      #expect(outcome.code == 2)
      #expect(outcome.output.contains(#"key \"policy\": "#))
    }
  }

  @Test func `a network that is attached after the policy is allowed from its first packet`() throws {
    try World.use(.nftables, containers: 2) { world in
      let policy = #"{"policy": {"ingress": [{"from": {"network": "\#(world.lab.name)-n1"}}], "egress": [{}]}}"#
      let limited = try world.network(2, firewall: policy).add(2)
      _ = try world.network(1).add(1)
      try world.expect(
        Expectation.ofBothFamilies { family in
          [Expectation(.container(1), to: limited.addresses[family], .ping, by: .container(2))]
        })
    }
  }
}
