import BaseSupport
import CNI
import LabSupport
import Testing

/// Attachments from ADD to DEL, with errors in between.
@Suite(.needsRoot)
struct LifeTests {
  @Test func `an address that moved to another container is reachable there at once`() throws {
    try World.use { world in
      let lab = world.lab, config = try world.config()
      let fixed = try config.with("runtimeConfig", JSONValue(json: #"{"ips": ["192.0.2.50/24", "2001:db8::50/64"]}"#))
      let addresses = ["192.0.2.50", "2001:db8::50"]
      for number in [1, 2, 1] {
        try world.add(fixed, to: number)
        // The LAN has the previous container's MAC address in its cache until ADD announces the new one.
        for address in addresses { #expect(try lab.pings(address, from: world.lan)) }
        let mac = try world.mac(in: lab.container(number))
        for address in addresses { #expect(try world.neighbour(address, of: world.lan) == mac) }
        try world.delete(fixed, from: number)
      }
    }
  }

  @Test(arguments: [false, true])
  func `a container can send and receive right after ADD`(hasHostAccess: Bool) throws {
    try World.use { world in
      let lab = world.lab, config = try world.config(#"{"hostAccess": \#(hasHostAccess)}"#)
      for number in 1...2 {
        try world.add(config, to: number)
        if hasHostAccess {
          for host in World.host { #expect(try lab.pings(host, from: lab.container(number))) }
          for address in World.container(number) { #expect(try lab.pings(address, from: lab.host)) }
        }
        for lan in World.lan { #expect(try lab.pings(lan, from: lab.container(number))) }
      }
    }
  }

  @Test(arguments: [false, true])
  func `DEL succeeds if the master is gone`(hasHostAccess: Bool) throws {
    try World.use(containers: 1) { world in
      let lab = world.lab, config = try world.config(#"{"hostAccess": \#(hasHostAccess)}"#)
      try world.add(config)
      try lab.shell("ip link del up0", in: lab.host)
      for _ in 1...2 { try world.delete(config) }
      #expect(try lab.leases() == [])
      #expect(try lab.linkNames(in: lab.host) == [])
      #expect(try lab.linkNames(in: lab.container(1)) == [])
    }
  }

  @Test(arguments: [false, true])
  func `DEL succeeds if the namespace is gone`(hasHostAccess: Bool) throws {
    try World.use(containers: 1) { world in
      let lab = world.lab, config = try world.config(#"{"hostAccess": \#(hasHostAccess)}"#)
      let script =
        "ip -j -d link; ip -j route show table all; ip -j -6 route show table all; ip -j neigh show nud permanent"
      try world.add(config)
      try lab.shell("ip netns del \(lab.container(1))")
      for _ in 1...2 { try world.delete(config) }
      #expect(try lab.leases() == [])
      #expect(try lab.linkNames(in: lab.host) == ["up0"])
      #expect(try !lab.shell(script, in: lab.host).contains("192.0.2.10"))
    }
  }

  @Test func `a second ADD is refused and the first attachment stays`() throws {
    try World.use(containers: 1) { world in
      let lab = world.lab, config = try world.config(#"{"hostAccess": true}"#)
      let result = try world.add(config)
      let before = try Snapshot(of: lab)
      #expect(try lab.add(config, plugin: "macvlan").code == 104)
      try lab.expectUnchanged(since: before)
      #expect(try lab.check(config, result, plugin: "macvlan").isSuccess)
      try world.expect(world.reach(lab.container(1), World.lan) + world.reach(lab.host, World.container(1)))
    }
  }

  @Test(arguments: 0..<4, [false, true])
  func `DEL removes what a killed ADD or DEL left`(seed: Int, hasNeighbour: Bool) throws {
    try World.use { world in
      let lab = world.lab, config = try world.config(#"{"hostAccess": true}"#)
      if hasNeighbour { try world.add(config, to: 2) }
      let before = try Snapshot(of: lab)
      try lab.killInTurn(
        seed: UInt64(seed) + 1, rounds: 16, delay: { _ in 1...8000 },
        { lab.call($0, config, on: 1, plugin: "macvlan") }, add: { try world.add(config) },
        clean: { _ in
          try world.delete(config)
          try lab.expectUnchanged(since: before)
        })
    }
  }

  @Test func `20 concurrent ADDs and DELs share the host's link`() throws {
    try World.use(containers: 20) { world in
      let lab = world.lab, config = try world.config(#"{"hostAccess": true}"#)
      let before = try Snapshot(of: lab)
      for added in atOnce(20, { try world.add(config, to: $0 + 1) }) { #expect(throws: Never.self) { try added.get() } }
      let addresses = try lab.leases()
      #expect(addresses.count == 40)
      try world.expect(world.reach(lab.host, addresses))
      // Each DEL may find the shared link used or unused, and an ADD may follow.
      let lives = atOnce(20) { index in
        try world.delete(config, from: index + 1)
        if index.isMultiple(of: 2) { try world.add(config, to: index + 1) }
      }
      for life in lives { #expect(throws: Never.self) { try life.get() } }
      try world.expect(world.reach(lab.host, try lab.leases()))
      for deleted in atOnce(20, { try world.delete(config, from: $0 + 1) }) {
        #expect(throws: Never.self) { try deleted.get() }
      }
      try lab.expectUnchanged(since: before)
    }
  }

  struct Obstacle: CustomTestStringConvertible {
    var script: String
    var fragment: String
    /// The code of ADD's error.
    var code: Int?
    var testDescription: String { script }
  }

  static let obstacles = [
    Obstacle(script: "ip link del up0", fragment: "no such link on the host", code: 7),
    Obstacle(
      script: "ip link add br0 type bridge; ip link set up0 master br0",
      fragment: "up0 has ipvlan links, or is a port of a bridge or bond", code: 100),
    Obstacle(
      script: "ip link add link up0 name solo type macvlan mode passthru",
      fragment: "up0 has a macvlan link in mode passthru", code: 100),
  ]

  @Test(arguments: obstacles)
  func `STATUS reports why an ADD would fail`(obstacle: Obstacle) throws {
    try World.use(containers: 1) { world in
      let config = try world.config()
      #expect(try world.lab.ask("STATUS", config, plugin: "macvlan").isSuccess)
      try world.lab.shell(obstacle.script, in: world.lab.host)
      let before = try Snapshot(of: world.lab)
      let status = try world.lab.ask("STATUS", config, plugin: "macvlan")
      #expect(status.code == 50)
      #expect(status.complaint.contains(obstacle.fragment), "\(status)")
      try world.lab.expectUnchanged(since: before)
      #expect(try world.lab.add(config, plugin: "macvlan").code == obstacle.code)
    }
  }
}
