import CNI
import Etcd
import EtcdSupport
import NetTypes
import PacketFilter
import Testing
@testable import Overlay

/// Labels of containers in etcd, in mode l3.
@Suite struct `Labels in etcd` {
  private let owner = AttachmentID(network: net, container: parsed("c1"), interface: parsed("eth0"))
  private let web = Label(key: "tier", value: "web")
  private var container: PublishedContainer { PublishedContainer(labelled: [FarMember(parsed("10.5.1.9"), [web])]) }
  private var key: String { "\(prefix)/labels/10.5.1.9" }

  private func use(_ body: (World, EtcdControlPlane<FakeEtcd>, EtcdControlPlane<FakeEtcd>) throws -> Void) throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      let a = world.control("a"), b = world.control("b")
      _ = try a.consult(world.plane, of: net, as: one, for: .add)
      try a.publish(container, of: owner, world.plane, as: one)
      try body(world, a, b)
    }
  }

  @Test func `other hosts read them with their next ADD or CHECK, their own host does not`() throws {
    try use { world, a, b in
      #expect(
        world.store.texts[key] == #"{"container":"c1","interface":"eth0","labels":["tier=web"],"vtep":"192.0.2.1"}"#)
      for command in [Command.add, .check] {
        let state = try b.consult(world.plane, of: net, as: two, for: command)
        #expect(state.members == [FarMember(parsed("10.5.1.9"), [web])])
      }
      #expect(try a.consult(world.plane, of: net, as: one, for: .add).members == [])
      try a.withdraw(owner, world.plane)
      #expect(try b.consult(world.plane, of: net, as: two, for: .add).members == [])
      #expect(world.store.texts[key] == nil)
    }
  }

  @Test func `while a process watches the network an ADD does not read them, and the watch does`() throws {
    try use { world, a, b in
      _ = try b.consult(world.plane, of: net, as: two, for: .add)
      var watcher = EtcdWatcher(b, at: world.plane.etcd)
      let lock = try world.disk("b").lockWatch(net)
      #expect(try watcher.begin(net, world.plane, as: two).members == [FarMember(parsed("10.5.1.9"), [web])])
      #expect(try b.consult(world.plane, of: net, as: two, for: .add).members == nil)
      _ = consume lock
      try a.withdraw(owner, world.plane)
      var reported: [[FarMember]?] = []
      try watcher.follow(seconds: 5) { (_, state) in reported.append(state.members) }
      #expect(reported == [[]])
    }
  }

  @Test(arguments: ["{}", "x", #"{"labels":"tier=web","vtep":"192.0.2.1"}"#, #"{"labels":[]}"#])
  func `an entry of another form is left out`(value: String) throws {
    try use { world, _, b in
      try world.store.put(key, value)
      #expect(try b.consult(world.plane, of: net, as: two, for: .add).members == [])
    }
  }

  @Test func `a host publishes its labels again after its etcd lease expired`() throws {
    try use { world, a, b in
      world.pass(seconds: 86400)
      #expect(world.store.texts[key] == nil)
      _ = try a.consult(world.plane, of: net, as: one, for: .add)
      #expect(world.store.texts[key] != nil)
      try a.collectGarbage(of: net, world.plane, valid: [])
      #expect(world.store.texts[key] == nil)
      _ = b
    }
  }

  @Test func `a label that comes or goes changes what the next ADD finds unchanged`() throws {
    try use { world, a, b in
      let source = try #require(try b.consult(world.plane, of: net, as: two, for: .add).source)
      #expect(try b.unchangedSource(since: source, world.plane, of: net, as: two) == source)
      try a.withdraw(owner, world.plane)
      #expect(try b.unchangedSource(since: source, world.plane, of: net, as: two) == nil)
    }
  }
}
