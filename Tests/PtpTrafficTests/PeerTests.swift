import CNI
import LabSupport
import Testing

/// Links with both ends in containers.
@Suite(.needsRoot)
struct PeerTests {
  private let local = ["10.1.1.1", "fd01:1::1"]
  private let remote = ["10.1.1.2", "fd01:1::2"]

  private func expectTalking(_ lab: Lab, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let servers = [1, 2].map { Server("c\($0)", in: lab.container($0), .tcp, 80) }
    let probes = zip(local, remote).flatMap { local, remote in
      [
        Probe(from: lab.container(1), to: remote, .tcp, 80, patience: 5),
        Probe(from: lab.container(2), to: local, .tcp, 80, patience: 5),
      ]
    }
    let seen = try lab.answers(to: probes, servers: servers).map { answer in
      if case .by(_, let seen, _) = answer { seen } else { "\(answer)" }
    }
    #expect(seen == [local[0], remote[0], local[1], remote[1]], sourceLocation: sourceLocation)
  }

  @Test(arguments: [true, false])
  func `two containers get a /32 each and a route to each other, and the host gets nothing`(isByName: Bool) throws {
    try Lab.use(containers: 2) { lab in
      let before = try Snapshot(of: lab)
      let other = lab.container(2)
      let config = try lab.pair(isByName ? other : lab.path(other))
      let result = try lab.attach(config)
      let end = try lab.hostEnd(result)
      #expect(result.list("interfaces").map { $0.text("sandbox") } == [lab.path(other), lab.path(lab.container(1))])
      #expect(result.list("ips").map { $0.text("interface") } == ["1", "1"])
      #expect(try lab.addresses(of: "eth0", in: lab.container(1)) == ["10.1.1.1/32", "fd01:1::1/128"])
      #expect(try lab.addresses(of: end, in: other) == ["10.1.1.2/32", "fd01:1::2/128"])
      #expect(try lab.destinations(in: lab.container(1)) == ["10.1.1.2", "fd01:1::2"])
      #expect(try lab.destinations(in: other) == ["10.1.1.1", "fd01:1::1"])
      #expect(try lab.route("10.1.1.2", in: lab.container(1))?.text("dev") == "eth0")
      #expect(try lab.route("10.1.1.1", in: other)?.text("dev") == end)
      #expect(try lab.linkNames(in: lab.host) == [])
      #expect(try lab.sysctl("net/ipv4/ip_forward", in: lab.host) == "0")
      #expect(try lab.sysctl("net/ipv4/ip_forward", in: other) == "0")
      // ADD leaves the peer's loopback interface unchanged.
      #expect(try lab.link("lo", in: other)?.text("operstate") == "DOWN")
      try expectTalking(lab)
      #expect(try lab.complaint(config, result) == "")
      try lab.detach(config)
      try lab.shell("ip link set lo down; ip addr flush dev lo", in: lab.container(1))
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `a ptp link works in addition to a bridge network of both containers`() throws {
    try Lab.use(containers: 2) { lab in
      let bridge = try lab.bridge(#"{"isDefaultGateway": true}"#, subnets: ["10.77.0.0/24", "fd77::/64"])
      for number in 1...2 { _ = try lab.attach(bridge, number) }
      let before = try Snapshot(of: lab)
      let config = try lab.pair(lab.container(2), #"{"peerIfName": "eth1"}"#)
      let result = try lab.attach(config, 1, as: "eth1")
      #expect(try lab.linkNames(in: lab.container(2)) == ["eth0", "eth1"])
      try expectTalking(lab)
      #expect(try lab.pings("10.77.0.3", from: lab.container(1)))
      #expect(try lab.pings("10.77.0.1", from: lab.container(2)))
      #expect(try lab.complaint(config, result, 1, as: "eth1") == "")
      try lab.detach(config, 1, as: "eth1")
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `with host-local the peer gets the gateway's address`() throws {
    try Lab.use(containers: 3) { lab in
      let config = try lab.ptp(#"{"peer": "\#(lab.container(3))"}"#)
      for number in 1...2 { _ = try lab.attach(config, number) }
      for target in ["10.78.0.2", "10.78.0.3", "fd78::2", "fd78::3"] {
        #expect(try lab.pings(target, from: lab.container(3)))
      }
      #expect(try lab.pings("10.78.0.1", from: lab.container(2)))
      #expect(try lab.linkNames(in: lab.container(3)).count == 2)
    }
  }

  @Test(arguments: [
    ("nothing-is-called-so", "open /run/netns/nothing-is-called-so: No such file or directory"),
    ("/etc/passwd", "open network namespace /etc/passwd: not a network namespace"),
    ("/proc/thread-self/ns/net", "it is the plugin's own"),
    ("OWN", "it is also the namespace of CNI_NETNS"),
  ])
  func `an invalid peer is refused before IPAM runs`(peer: String, reason: String) throws {
    try Lab.use { lab in
      let before = try Snapshot(of: lab)
      let path = peer.replacing("OWN", with: lab.path(lab.container(1)))
      let config = try lab.ptp().with("peer", .string(path))
      let outcome = try lab.run(lab.call("ADD", config, on: 1, plugin: "ptp"))
      #expect(outcome.code == 7)
      let full = path.hasPrefix("/") ? path : "/run/netns/\(path)"
      #expect(outcome.complaint == "key \"peer\": \(full): \(reason): want another container's namespace")
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `ADD and DEL keep existing interfaces of the peer`() throws {
    try Lab.use(containers: 2) { lab in
      try lab.shell("ip link add eth0 type veth peer name eth9", in: lab.container(2))
      let before = try Snapshot(of: lab)
      let config = try lab.pair(lab.container(2), #"{"peerIfName": "eth0"}"#)
      let refused = try lab.add(config, plugin: "ptp")
      #expect(refused.code == 7)
      #expect(refused.complaint.contains("key \"peerIfName\": \"eth0\" is taken"))
      try lab.detach(config)
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `STATUS returns 50 if the peer is missing`() throws {
    try Lab.use(containers: 2) { lab in
      let keys = #"{"cniVersion": "1.1.0", "ipam": {"type": "host-local", "subnet": "10.78.0.0/24"}}"#
      let config = try lab.pair(lab.container(2), keys)
      try lab.ask("STATUS", config, plugin: "ptp").requireSuccess()
      try lab.shell("ip netns del \(lab.container(2))")
      let outcome = try lab.ask("STATUS", config, plugin: "ptp")
      #expect(outcome.code == 50)
      #expect(outcome.complaint.contains(lab.container(2)))
    }
  }

  @Test func `CHECK reports missing addresses and routes on both ends`() throws {
    try Lab.use(containers: 2) { lab in
      let config = try lab.pair(lab.container(2), #"{"peerIfName": "eth0"}"#)
      let result = try lab.attach(config)
      #expect(try lab.complaint(config, result) == "")
      try lab.shell("ip route del 10.1.1.1; ip addr del fd01:1::2/128 dev eth0", in: lab.container(2))
      try lab.shell("ip route del 10.1.1.2", in: lab.container(1))
      let message = try lab.complaint(config, result)
      for fragment in [
        "host route 10.1.1.1/32 on eth0 is missing", "host address fd01:1::2/128 is missing on eth0",
        "container route 10.1.1.2/32 on eth0 is missing",
      ] { #expect(message.contains(fragment)) }
    }
  }
}
