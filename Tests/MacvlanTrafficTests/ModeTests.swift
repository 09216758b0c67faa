import CNI
import LabSupport
import Testing

/// Which containers and hosts reach each other in each mode.
@Suite(.needsRoot)
struct ModeTests {
  @Test(
    arguments: [
      ("bridge", false, true), ("bridge", true, true), ("vepa", false, false), ("vepa", true, true),
      ("private", false, false), ("private", true, false),
    ])
  func `containers reach the LAN in each mode, and each other if the mode allows it`(
    mode: String, reflects: Bool, talks: Bool
  ) throws {
    try World.use(reflects: reflects) { world in
      let lab = world.lab, config = try world.config(#"{"mode": "\#(mode)"}"#)
      let before = try Snapshot(of: lab)
      for number in 1...2 { try world.add(config, to: number) }
      for number in 1...2 {
        let link = try lab.link("eth0", in: lab.container(number))
        #expect(link?.text("linkinfo.info_data.mode") == mode)
      }
      let first = lab.container(1), second = lab.container(2)
      try world.expect(
        world.reach(first, World.lan) + world.reach(second, World.lan) + world.reach(world.lan, World.container(1))
          + world.reach(first, World.container(2), talks) + world.reach(second, World.container(1), talks)
          // The host reaches containers on its own link only if the switch sends frames back.
          + world.reach(lab.host, World.container(1), reflects)
          + world.reach(lab.host, World.lan))
      for number in 1...2 { try world.delete(config, from: number) }
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `passthru takes one link with the master's MAC address, and DEL frees the master`() throws {
    try World.use { world in
      let lab = world.lab, config = try world.config(#"{"mode": "passthru"}"#)
      let before = try Snapshot(of: lab)
      let mac = try world.mac(of: "up0", in: lab.host)
      let result = try world.add(config)
      #expect(result.text("interfaces.0.mac") == mac)
      #expect(try world.mac(in: lab.container(1)) == mac)
      try world.expect(world.reach(lab.container(1), World.lan) + world.reach(world.lan, World.container(1)))
      let taken = try Snapshot(of: lab)
      let second = try lab.add(config, to: 2, plugin: "macvlan")
      #expect(second.code == 100)
      #expect(second.complaint.contains("passthru"), "\(second)")
      #expect(second.complaint.contains("allows no other link"), "\(second)")
      try lab.expectUnchanged(since: taken)
      try world.expect(world.reach(lab.container(1), World.lan))
      try world.delete(config)
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `passthru is refused if the master has macvlan links`() throws {
    try World.use { world in
      try world.add(try world.config())
      let before = try Snapshot(of: world.lab)
      let refused = try world.lab.add(try world.config(#"{"mode": "passthru"}"#), to: 2, plugin: "macvlan")
      #expect(refused.code == 100)
      #expect(refused.complaint.contains("up0 has macvlan links already"), "\(refused)")
      try world.lab.expectUnchanged(since: before)
    }
  }

  @Test func `mode source admits only frames from the MAC addresses in sourceMACs`() throws {
    try World.use { world in
      let lab = world.lab, lan = try world.mac(of: "lan0", in: world.lan)
      let open = try world.config(#"{"mode": "source", "sourceMACs": ["02:00:00:00:00:09", "\#(lan)"]}"#)
      let closed = try world.config(#"{"mode": "source", "sourceMACs": ["02:00:00:00:00:09"]}"#)
      try world.add(open, to: 1)
      try world.add(closed, to: 2)
      try world.expect(
        world.reach(lab.container(1), World.lan) + world.reach(world.lan, World.container(1))
          + world.reach(lab.container(2), World.lan, false) + world.reach(world.lan, World.container(2), false))
    }
  }

  @Test func `linkInContainer uses a master inside the container`() throws {
    try World.use { world in
      let lab = world.lab, container = lab.container(1)
      try lab.shell(
        """
        ip link add inner netns \(container) type veth peer name lan1 netns \(world.lan)
        ip -n \(container) link set inner up; ip -n \(world.lan) link set lan1 up
        ip -n \(world.lan) address flush dev lan0
        ip -n \(world.lan) address add 192.0.2.2/24 dev lan1; ip -n \(world.lan) address add 2001:db8::2/64 dev lan1 nodad
        """)
      let config = try world.config(#"{"master": "inner", "linkInContainer": true}"#)
      let before = try Snapshot(of: lab)
      let result = try world.add(config)
      try world.expect(world.reach(container, World.lan) + world.reach(world.lan, World.container(1)))
      #expect(try lab.check(config, result, plugin: "macvlan").isSuccess)
      try world.delete(config)
      try lab.expectUnchanged(since: before)
    }
  }
}
