import CNI
import Etcd
import EtcdSupport
import NetTypes
import Testing
@testable import Overlay

@Suite struct `l2 networks in etcd` {
  private let first = OverlayHost(.l2, local: parsed("192.0.2.1"), vni: 7, network: prefixes("10.6.0.0/16"))
  private let second = OverlayHost(.l2, local: parsed("192.0.2.2"))
  private let owner = AttachmentID(
    network: net, container: parsed("c1"), interface: parsed("eth0"))
  private let endpoints = [
    OverlayEndpoint(parsed("10.6.0.9"), parsed("02:42:0a:06:00:09")),
    OverlayEndpoint(parsed("fd06::9"), parsed("02:42:0a:06:00:09")),
  ]

  @Test func `the first host with all keys writes the network's configuration`() throws {
    try World.use { world in
      let error = #expect(throws: CNIError.self) {
        try world.control("b").consult(world.plane, of: net, as: second, for: .add)
      }
      #expect(error?.code == .invalidNetworkConfig && error?.message.contains("no key \(configKey)") == true)
      _ = try world.control("a").consult(world.plane, of: net, as: first, for: .add)
      #expect(
        world.store.texts[configKey]
          == #"{"Backend":{"Mode":"l2","Port":8472,"Type":"vxlan","VNI":7},"Network":"10.6.0.0/16"}"#)
      let mac = MACAddress(forTunnelOf: 7, from: first.local)
      #expect(
        world.store.texts["\(prefix)/hosts/192.0.2.1"] == #"{"vni":7,"vtep":"192.0.2.1","vtepMac":"\#(mac)"}"#)
      let found = try world.control("b").consult(world.plane, of: net, as: second, for: .add)
      #expect(found.vni == 7 && found.port == 8472 && found.peers == [OverlayPeer(first.local, vtepMAC: mac)])
      #expect(found.ownSubnets == [])
    }
  }

  @Test func `hosts that follow etcd see a container's endpoints until DEL`() throws {
    try World.use { world in
      let a = world.control("a"), b = world.control("b")
      _ = try a.consult(world.plane, of: net, as: first, for: .add)
      _ = try b.consult(world.plane, of: net, as: second, for: .add)
      try a.publish(PublishedContainer(endpoints: endpoints), of: owner, world.plane, as: first)
      #expect(
        world.store.texts["\(prefix)/endpoints/10.6.0.9"]
          == #"{"container":"c1","interface":"eth0","mac":"02:42:0a:06:00:09","vtep":"192.0.2.1"}"#)
      #expect(Set(world.store.pairs.filter { $0.key.contains("endpoints") }.map(\.lease)).count == 1)
      #expect(try b.consult(world.plane, of: net, as: second, for: .add).peers.map(\.endpoints) == [[]])
      try b.holdingWatchLocks([net]) { () throws(CNIError) in
        #expect(b.isWatched(net) && b.isWatched(net))
        let found = try b.consult(world.plane, of: net, as: second, for: .add)
        #expect(found.peers.map(\.endpoints) == [endpoints])
      }
      #expect(!b.isWatched(net))
      let before = world.store.requests.count
      try a.withdraw(owner, world.plane)
      #expect(world.store.requests.count == before + 1)
      #expect(!world.store.texts.keys.contains { $0.contains("endpoints") })
      try a.withdraw(owner, world.plane)
      #expect(world.store.requests.count == before + 1)
    }
  }

  @Test func `DEL keeps the endpoint of a container that moved to another host`() throws {
    try World.use { world in
      let a = world.control("a"), b = world.control("b")
      _ = try a.consult(world.plane, of: net, as: first, for: .add)
      _ = try b.consult(world.plane, of: net, as: second, for: .add)
      try a.publish(PublishedContainer(endpoints: endpoints), of: owner, world.plane, as: first)
      try b.publish(PublishedContainer(endpoints: [endpoints[0]]), of: owner, world.plane, as: second)
      try a.withdraw(owner, world.plane)
      #expect(world.store.texts.keys.filter { $0.contains("endpoints") } == ["\(prefix)/endpoints/10.6.0.9"])
      #expect(try world.json("\(prefix)/endpoints/10.6.0.9")?["vtep"] == "192.0.2.2")
    }
  }

  @Test func `endpoints are registered again after the etcd lease expired or the host's address changed`() throws {
    try World.use { world in
      let a = world.control("a")
      _ = try a.consult(world.plane, of: net, as: first, for: .add)
      try a.publish(PublishedContainer(endpoints: endpoints), of: owner, world.plane, as: first)
      let before = world.store.texts
      world.pass(seconds: 86400)
      #expect(world.store.texts.count == 1)
      _ = try a.consult(world.plane, of: net, as: first, for: .add)
      #expect(world.store.texts == before)
      var moved = first
      moved.local = second.local
      _ = try a.consult(world.plane, of: net, as: moved, for: .status)
      let found = try a.consult(world.plane, of: net, as: moved, for: .add)
      #expect(found.peers == [] && found.vtepMAC == MACAddress(forTunnelOf: 7, from: first.local))
      #expect(try world.json("\(prefix)/endpoints/fd06::9")?["vtep"] == "192.0.2.2")
      #expect(world.store.texts["\(prefix)/hosts/192.0.2.1"] == nil)
      #expect(world.store.leases.count == 1)
      try a.withdraw(owner, world.plane)
      #expect(!world.store.texts.keys.contains { $0.contains("endpoints") })
    }
  }

  @Test func `GC removes endpoints of invalid containers, and the host's entry with the last one`() throws {
    try World.use { world in
      let a = world.control("a")
      _ = try a.consult(world.plane, of: net, as: first, for: .add)
      try a.publish(PublishedContainer(endpoints: [endpoints[0]]), of: owner, world.plane, as: first)
      var other = owner
      other.container = parsed("c2")
      try a.publish(PublishedContainer(endpoints: [endpoints[1]]), of: other, world.plane, as: first)
      let valid = ValidAttachments.Attachment(containerID: other.container, ifname: other.interface)
      try a.collectGarbage(of: net, world.plane, valid: [valid])
      #expect(world.store.texts.keys.filter { $0.contains("endpoints") } == ["\(prefix)/endpoints/fd06::9"])
      try a.collectGarbage(of: net, world.plane, valid: [])
      #expect(Array(world.store.texts.keys) == [configKey])
    }
  }

  @Test func `DEL removes an endpoint whose registration got no answer from etcd`() throws {
    try World.use { world in
      let a = world.control("a")
      _ = try a.consult(world.plane, of: net, as: first, for: .add)
      world.store.next(.answerLost)
      #expect(throws: CNIError.self) {
        try a.publish(PublishedContainer(endpoints: endpoints), of: owner, world.plane, as: first)
      }
      try a.withdraw(owner, world.plane)
      #expect(!world.store.texts.keys.contains { $0.contains("endpoints") })
    }
  }
}
