import CNI
import Etcd
import EtcdSupport
import NetTypes
import Testing
@testable import Overlay

@Suite struct `Following changes in etcd` {
  private func put(_ key: String, _ text: String) -> FakeEtcd.Fate {
    .rival(EtcdTransaction([.put(key, Array(text.utf8), lease: nil)]))
  }

  private let peer = #"{"PublicIP":"192.0.2.9","BackendType":"vxlan","BackendData":{"VtepMAC":"02:00:00:00:00:09"}}"#
  private let key = "\(prefix)/subnets/10.5.9.0-24"

  @Test func `added and removed hosts are reported, identical writes are not`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      var watcher = EtcdWatcher(world.control("a"), at: world.plane.etcd)
      #expect(try watcher.begin(net, world.plane, as: one).peers == [])
      var reported: [[IPAddress]] = []
      world.store.next(
        put(key, peer), put(key, peer), .rival(EtcdTransaction([.delete(.one(key))])), .asUsual)
      try watcher.follow(seconds: 5) { (_, controlState) in reported.append(controlState.peers.map(\.vtep)) }
      #expect(reported == [[parsed("192.0.2.9")], []])
    }
  }

  /// One host comes and goes, another one changes three times, and a third goes.
  @Test func `changes that have waited are reported once, with the last state of each host`() throws {
    try World.use(batches: true) { world in
      let keys = (7...9).map { "\(prefix)/subnets/10.5.\($0).0-24" }
      func entry(_ number: Int, _ mac: String) -> String {
        peer.replacing("0.2.9", with: "0.2.\(number)").replacing("00:09", with: mac)
      }
      try world.store.put(configKey, flannelConfig)
      try world.store.put(keys[2], peer)
      var watcher = EtcdWatcher(world.control("a"), at: world.plane.etcd)
      #expect(try watcher.begin(net, world.plane, as: one).peers.count == 1)
      try world.store.put(keys[0], entry(7, "00:07"))
      try world.store.delete(.one(keys[0]))
      for mac in ["00:01", "00:02", "00:03"] { try world.store.put(keys[1], entry(8, mac)) }
      try world.store.delete(.one(keys[2]))
      var reported: [[OverlayPeer]] = []
      try watcher.follow(seconds: 5) { (_, controlState) in reported.append(controlState.peers) }
      #expect(
        reported == [
          [OverlayPeer(parsed("192.0.2.8"), vtepMAC: parsed("02:00:00:00:00:03"), subnets: prefixes("10.5.8.0/24"))]
        ])
      // What a new watch reads is the same.
      var fresh = EtcdWatcher(world.control("a"), at: world.plane.etcd)
      #expect(try fresh.begin(net, world.plane, as: one) == watcher.controlState(of: net))
    }
  }

  @Test func `after changes a watch continues where it was and reads no entry again`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      var watcher = EtcdWatcher(world.control("a"), at: world.plane.etcd)
      _ = try watcher.begin(net, world.plane, as: one)
      world.store.next(put(key, peer), .asUsual)
      let before = world.store.requests.count
      for _ in 0..<2 { try watcher.follow(seconds: 5) { (_, _) in } }
      let hosts = EtcdKeys.prefixed("\(prefix)/subnets/"), requests = world.store.requests.dropFirst(before)
      let reads = requests.filter {
        if case .transact(let transaction) = $0 { transaction.operations.contains(.read(hosts)) } else { false }
      }
      #expect(reads.isEmpty)
      guard case .watch(let ranges)? = requests.last else { throw CNIError(.ioFailure, "no watch") }
      // Labels that do not change are followed from where they were.
      #expect(ranges.dropLast().allSatisfy { $0.start == world.store.revision + 1 })
    }
  }

  @Test func `following continues after a failure and reads all entries again after compaction`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      var watcher = EtcdWatcher(world.control("a"), at: world.plane.etcd)
      _ = try watcher.begin(net, world.plane, as: one)
      world.store.next(.noQuorum)
      #expect(throws: CNIError.self) { try watcher.follow(seconds: 5) { (_, _) in } }
      #expect(watcher.controlState(of: net)?.ownSubnets == prefixes("10.5.1.0/24"))
      try world.store.put(key, peer)
      world.store.compact()
      var reported: [Int] = []
      for _ in 0..<2 {
        try watcher.follow(seconds: 5) { (_, controlState) in reported.append(controlState.peers.count) }
      }
      #expect(reported == [1])
    }
  }

  @Test func `the etcd lease is renewed after a third of its time`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      var watcher = EtcdWatcher(world.control("a"), at: world.plane.etcd)
      _ = try watcher.begin(net, world.plane, as: one)
      for _ in 0..<4 {
        world.pass(seconds: 28800)
        try watcher.follow(seconds: 5) { (_, _) in }
        #expect(world.store.leases.values.map(\.self) == [86400])
      }
    }
  }

  @Test func `the host is registered again if its entry is gone`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      var watcher = EtcdWatcher(world.control("a"), at: world.plane.etcd)
      let made = try watcher.begin(net, world.plane, as: one)
      var store = world.store
      let leases = store.leases.keys
      for lease in leases { try store.revoke(lease) }
      #expect(world.store.texts.count == 1)
      try watcher.follow(seconds: 5) { (_, _) in }
      #expect(world.store.texts.count == 2)
      #expect(watcher.controlState(of: net) == made)
    }
  }

  @Test func `the host is registered again if etcd was emptied`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      var watcher = EtcdWatcher(world.control("a"), at: world.plane.etcd)
      let made = try watcher.begin(net, world.plane, as: one)
      let before = world.store.texts
      world.store.restore(nil)
      try world.store.put(configKey, flannelConfig)
      try watcher.follow(seconds: 5) { (_, _) in }
      #expect(world.store.texts == before && watcher.controlState(of: net) == made)
    }
  }

  @Test func `all entries are read again after etcd was restored from a backup`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      var watcher = EtcdWatcher(world.control("a"), at: world.plane.etcd)
      _ = try watcher.begin(net, world.plane, as: one)
      let backup = world.store.backup()
      try world.store.put(key, peer)
      try watcher.follow(seconds: 5) { (_, _) in }
      #expect(watcher.controlState(of: net)?.peers.count == 1)
      world.store.restore(backup)
      for index in 0..<9 { try world.store.put("/elsewhere", "\(index)") }
      var reported: [Int] = []
      try watcher.follow(seconds: 5) { (_, controlState) in reported.append(controlState.peers.count) }
      #expect(reported == [0])
    }
  }

  @Test func `containers are registered again after etcd was restored from a backup`() throws {
    try World.use { world in
      let host = OverlayHost(.l2, local: one.local, vni: 7, network: prefixes("10.6.0.0/16"))
      let control = world.control("a")
      var watcher = EtcdWatcher(control, at: world.plane.etcd)
      _ = try watcher.begin(net, world.plane, as: host)
      let backup = world.store.backup()
      let owner = AttachmentID(network: net, container: parsed("c1"), interface: parsed("eth0"))
      let endpoint = OverlayEndpoint(parsed("10.6.0.9"), parsed("02:42:0a:06:00:09"))
      try control.publish(PublishedContainer(endpoints: [endpoint]), of: owner, world.plane, as: host)
      let before = world.store.texts
      world.store.restore(backup)
      #expect(world.store.texts.count == before.count - 1)
      try watcher.follow(seconds: 5) { (_, _) in }
      #expect(world.store.texts == before)
    }
  }

  @Test func `only one process of a host can follow a network`() throws {
    try World.use { world in
      try world.control("a").holdingWatchLocks([net]) { () throws(CNIError) in
        let error = #expect(throws: CNIError.self) {
          try world.control("a").holdingWatchLocks([net]) { () throws(CNIError) in }
        }
        #expect(error?.code == .tryAgainLater)
        #expect(!world.control("b").isWatched(net))
      }
    }
  }

  @Test func `a host is registered from ADD to GC`() throws {
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
