import CNI
import Etcd
import EtcdSupport
import NetTypes
import Testing
@testable import Overlay

@Suite struct `Following a network` {
  private func put(_ key: String, _ text: String) -> FakeEtcd.Fate {
    .rival(EtcdTransaction([.put(key, Array(text.utf8), lease: nil)]))
  }

  private let peer = #"{"PublicIP":"192.0.2.9","BackendType":"vxlan","BackendData":{"VtepMAC":"02:00:00:00:00:09"}}"#
  private let key = "\(prefix)/subnets/10.5.9.0-24"

  @Test func `tells of hosts that come and go, and of nothing that says the same`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      var follower = EtcdFollower(world.control("a"), at: world.plane.etcd)
      #expect(try follower.begin(net, world.plane, as: one).peers == [])
      var told: [[IPAddress]] = []
      world.store.next(
        put(key, peer), put(key, peer), .rival(EtcdTransaction([.delete(.one(key))])), .asUsual)
      try follower.follow(seconds: 5) { (_, controlState) in told.append(controlState.peers.map(\.vtep)) }
      #expect(told == [[parsed("192.0.2.9")], []])
    }
  }

  @Test func `goes on after silence, and reads again what etcd no longer keeps`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      var follower = EtcdFollower(world.control("a"), at: world.plane.etcd)
      _ = try follower.begin(net, world.plane, as: one)
      world.store.next(.noQuorum)
      #expect(throws: CNIError.self) { try follower.follow(seconds: 5) { (_, _) in } }
      #expect(follower.controlState(of: net)?.ownSubnets == prefixes("10.5.1.0/24"))
      try world.store.put(key, peer)
      world.store.compact()
      var told: [Int] = []
      for _ in 0..<2 {
        try follower.follow(seconds: 5) { (_, controlState) in told.append(controlState.peers.count) }
      }
      #expect(told == [1])
    }
  }

  @Test func `renews the lease when a third of it is over`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      var follower = EtcdFollower(world.control("a"), at: world.plane.etcd)
      _ = try follower.begin(net, world.plane, as: one)
      for _ in 0..<4 {
        world.pass(seconds: 28800)
        try follower.follow(seconds: 5) { (_, _) in }
        #expect(world.store.leases.values.map(\.self) == [86400])
      }
    }
  }

  @Test func `registers the host anew where its entry is gone`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      var follower = EtcdFollower(world.control("a"), at: world.plane.etcd)
      let made = try follower.begin(net, world.plane, as: one)
      var store = world.store
      let leases = store.leases.keys
      for lease in leases { try store.revoke(lease) }
      #expect(world.store.texts.count == 1)
      try follower.follow(seconds: 5) { (_, _) in }
      #expect(world.store.texts.count == 2)
      #expect(follower.controlState(of: net) == made)
    }
  }

  @Test func `registers the host anew where etcd was emptied`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      var follower = EtcdFollower(world.control("a"), at: world.plane.etcd)
      let made = try follower.begin(net, world.plane, as: one)
      let before = world.store.texts
      world.store.restore(nil)
      try world.store.put(configKey, flannelConfig)
      try follower.follow(seconds: 5) { (_, _) in }
      #expect(world.store.texts == before && follower.controlState(of: net) == made)
    }
  }

  @Test func `reads everything again where etcd was restored, however far it has come since`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      var follower = EtcdFollower(world.control("a"), at: world.plane.etcd)
      _ = try follower.begin(net, world.plane, as: one)
      let backup = world.store.backup()
      try world.store.put(key, peer)
      try follower.follow(seconds: 5) { (_, _) in }
      #expect(follower.controlState(of: net)?.peers.count == 1)
      world.store.restore(backup)
      for index in 0..<9 { try world.store.put("/elsewhere", "\(index)") }
      var told: [Int] = []
      try follower.follow(seconds: 5) { (_, controlState) in told.append(controlState.peers.count) }
      #expect(told == [0])
    }
  }

  @Test func `registers containers again after etcd was restored to an older state`() throws {
    try World.use { world in
      let host = OverlayHost(.l2, local: one.local, vni: 7, network: prefixes("10.6.0.0/16"))
      let control = world.control("a")
      var follower = EtcdFollower(control, at: world.plane.etcd)
      _ = try follower.begin(net, world.plane, as: host)
      let backup = world.store.backup()
      let owner = AttachmentID(network: net, container: parsed("c1"), interface: parsed("eth0"))
      let endpoint = OverlayEndpoint(parsed("10.6.0.9"), parsed("02:42:0a:06:00:09"))
      try control.publish([endpoint], of: owner, world.plane, as: host)
      let before = world.store.texts
      world.store.restore(backup)
      #expect(world.store.texts.count == before.count - 1)
      try follower.follow(seconds: 5) { (_, _) in }
      #expect(world.store.texts == before)
    }
  }

  @Test func `is for one at a time`() throws {
    try World.use { world in
      try world.control("a").following([net]) { () throws(CNIError) in
        let error = #expect(throws: CNIError.self) {
          try world.control("a").following([net]) { () throws(CNIError) in }
        }
        #expect(error?.code == .tryAgainLater)
        #expect(!world.control("b").isWatched(net))
      }
    }
  }

  @Test func `is worth it where this host has an entry`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      let control = world.control("a")
      #expect(try !control.isRegistered(net, world.plane))
      _ = try control.consult(world.plane, of: net, as: one, for: .add)
      #expect(try control.isRegistered(net, world.plane))
      try control.collectGarbage(of: net, world.plane, valid: [])
      #expect(try !control.isRegistered(net, world.plane))
    }
  }
}
