import CNI
import LabSupport
import Testing

// Group: end-to-end

/// `hostAccess`: host and containers reach each other, and the LAN sees no change.
@Suite(.needsRoot)
struct HostAccessTests {
  @Test(arguments: [[0, 1], [0], [1]])
  func `host and containers reach each other until the last DEL`(families: [Int]) throws {
    try World.use { world in
      let lab = world.lab, config = try world.config(#"{"hostAccess": true}"#, families: families)
      func own(_ addresses: [String]) -> [String] { families.map { addresses[$0] } }
      let before = try Snapshot(of: lab)
      let results = try (1...2).map { try world.add(config, to: $0) }
      #expect(results.allSatisfy { $0.list("interfaces").map { $0.text("name") } == ["eth0"] })
      let between = (1...2).flatMap { number in
        world.reach(lab.container(number), own(World.host)) + world.reach(lab.host, own(World.container(number)))
      }
      try world.expect(
        between + world.reach(lab.container(1), own(World.container(2)))
          + world.reach(lab.container(1), own(World.lan)) + world.reach(world.lan, own(World.container(2)))
          + world.reach(world.lan, World.host) + world.reach(lab.host, World.lan))
      let master = try world.mac(of: "up0", in: lab.host)
      for host in World.host { #expect(try world.neighbour(host, of: world.lan) == master) }
      for (index, result) in results.enumerated() {
        let check = try lab.check(config, result, on: index + 1, plugin: "macvlan")
        #expect(check.isSuccess, "\(check)")
      }
      try world.delete(config)
      try world.expect(
        world.reach(lab.container(2), own(World.host)) + world.reach(lab.host, own(World.container(2))))
      try world.delete(config, from: 2)
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `host and container see each other's own addresses as source`() throws {
    try World.use(containers: 1, hasOther: true) { world in
      let lab = world.lab
      try world.add(try world.config(#"{"hostAccess": true}"#))
      let servers = [Server("host", in: lab.host, .tcp, 80), Server("container", in: lab.container(1), .tcp, 80)]
      let ends = zip(World.host, World.container(1))
      let answers = try lab.answers(
        to: ends.flatMap { host, container in
          [
            Probe(from: lab.host, to: container, .tcp, 80, patience: 5),
            Probe(from: lab.container(1), to: host, .tcp, 80, patience: 5),
          ]
        }, servers: servers)
      let seen = answers.map { if case .by(let name, let seen, _) = $0 { "\(name) \(seen)" } else { "\($0)" } }
      #expect(
        seen
          == ends.flatMap { host, container in ["container \(host)", "host \(container)"] })
    }
  }

  @Test func `the LAN resolves the host's addresses to the master's MAC address`() throws {
    try World.use { world in
      let lab = world.lab, config = try world.config(#"{"hostAccess": true}"#)
      try world.add(config)
      let master = try world.mac(of: "up0", in: lab.host)
      // Without locktime, the last of several ARP replies takes effect in the LAN.
      try lab.shell("echo 0 > /proc/sys/net/ipv4/neigh/lan0/locktime", in: world.lan)
      for _ in 1...3 {
        try lab.shell("ip neigh flush all", in: world.lan)
        try world.expect(world.reach(world.lan, World.host))
        for asking in [lab.host, lab.container(1)] {
          for namespace in [lab.host, lab.container(1)] { try lab.shell("ip neigh flush all", in: namespace) }
          try world.expect(world.reach(asking, asking == lab.host ? World.container(1) : World.host))
        }
        for host in World.host { #expect(try world.neighbour(host, of: world.lan) == master) }
      }
    }
  }

  @Test func `the LAN gets one ARP reply for the host, and the host gets each broadcast once`() throws {
    try World.use(containers: 1) { world in
      let lab = world.lab
      try world.add(try world.config(#"{"hostAccess": true}"#))
      let answers = try lab.shell(
        """
        python3 -c '
        from socket import *
        s = socket(AF_PACKET, SOCK_RAW, htons(0x806)); s.bind(("lan0", 0x806))
        own, ip = s.getsockname()[4], inet_aton
        s.send(b"\\xff" * 6 + own + bytes.fromhex("08060001080006040001") + own + ip("192.0.2.2") + bytes(6)
            + ip("192.0.2.1"))
        s.settimeout(0.5)
        try:
            while frame := s.recv(60):
                if frame[20:22] == bytes([0, 2]) and frame[28:32] == ip("192.0.2.1"): print(frame[22:28].hex(":"))
        except TimeoutError: pass'
        """, in: world.lan)
      #expect(answers == "\(try world.mac(of: "up0", in: lab.host))\n")
      let heard = try lab.shell(
        """
        python3 -c '
        from socket import *
        from subprocess import run
        s = socket(AF_INET, SOCK_DGRAM); s.bind(("", 9999)); s.settimeout(0.5)
        send = "from socket import *; s = socket(AF_INET, SOCK_DGRAM); "
        send += "s.setsockopt(SOL_SOCKET, SO_BROADCAST, 1); s.sendto(b\\"x\\", (\\"192.0.2.255\\", 9999))"
        run(["ip", "netns", "exec", "\(world.lan)", "python3", "-c", send], check=True)
        heard = 0
        try:
            while s.recv(9): heard += 1
        except TimeoutError: print(heard)'
        """, in: lab.host)
      #expect(heard == "1\n")
    }
  }

  @Test func `host and container reach each other with arp_ignore 1 on the host`() throws {
    try World.use { world in
      try world.lab.shell("echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore", in: world.lab.host)
      try world.add(try world.config(#"{"hostAccess": true}"#))
      try world.expect(
        world.reach(world.lab.container(1), World.host) + world.reach(world.lab.host, World.container(1)))
    }
  }

  @Test func `host and container reach each other if the host's address is in another subnet`() throws {
    try World.use { world in
      let lab = world.lab
      try lab.shell("ip address add 198.51.100.1/24 dev up0; ip address del 192.0.2.1/24 dev up0", in: lab.host)
      let before = try Snapshot(of: lab)
      let config = try world.config(#"{"hostAccess": true}"#)
      try world.add(config)
      try world.expect(
        world.reach(lab.container(1), ["198.51.100.1", World.host[1]]) + world.reach(lab.host, World.container(1)))
      try world.delete(config)
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `hostAccess is refused if the master has no address, and nothing is left`() throws {
    try World.use { world in
      try world.lab.shell("ip address flush dev up0 scope global", in: world.lab.host)
      let before = try Snapshot(of: world.lab)
      let refused = try world.lab.add(try world.config(#"{"hostAccess": true}"#), plugin: "macvlan")
      #expect(refused.code == 7)
      #expect(refused.complaint.contains("up0 has no address by which to reach the host"), "\(refused)")
      try world.lab.expectUnchanged(since: before)
    }
  }

  @Test func `CHECK reports missing routes and changed sysctls`() throws {
    try World.use(containers: 1) { world in
      let lab = world.lab, config = try world.config(#"{"hostAccess": true}"#)
      let result = try world.add(config)
      let link = try #require(try lab.linkNames(in: lab.host).first { $0.hasPrefix("macv") })
      try lab.shell(
        """
        ip route del 192.0.2.10; ip -6 route del 2001:db8::10/128
        echo 0 > /proc/sys/net/ipv4/conf/\(link)/arp_filter
        """, in: lab.host)
      try lab.shell("ip -6 route del 2001:db8::1/128", in: lab.container(1))
      let outcome = try lab.check(config, result, plugin: "macvlan")
      for fragment in [
        "host route 192.0.2.10/32 on \(link) is missing", "host route 2001:db8::10/128 on \(link) is missing",
        "host sysctl net/ipv4/conf/\(link)/arp_filter is 0, want 1", "container route 2001:db8::1/128 via fe80:",
      ] { #expect(outcome.complaint.contains(fragment), "\(outcome)") }
    }
  }

  @Test func `GC removes routes of invalid attachments, then the host's link`() throws {
    try World.use { world in
      let lab = world.lab, config = try world.config(#"{"hostAccess": true}"#)
      let before = try Snapshot(of: lab)
      for number in 1...2 { try world.add(config, to: number) }
      for number in 1...2 { try lab.shell("ip link del eth0", in: lab.container(number)) }
      func collect(_ keeping: [Int]) throws {
        let valid = keeping.map { JSONValue.object(["containerID": .string("\(lab.name)-c\($0)"), "ifname": "eth0"]) }
        try lab.ask("GC", config.with("cni.dev/valid-attachments", .array(valid)), plugin: "macvlan").requireSuccess()
      }
      try collect([2])
      #expect(try lab.route("192.0.2.10", in: lab.host) == nil)
      #expect(try lab.route("192.0.2.11", in: lab.host) != nil)
      #expect(try lab.route("2001:db8::11", .v6, in: lab.host) != nil)
      try collect([])
      try lab.expectUnchanged(since: before)
    }
  }
}
