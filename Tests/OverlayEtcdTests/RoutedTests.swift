import CNI
import Etcd
import EtcdSupport
import NetTypes
import Testing
@testable import Overlay

@Suite struct `l3 networks in etcd` {
  @Test func `the first ADD leases a subnet in flannel's format with three requests, the next needs one`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      let made = try world.control("a").consult(world.plane, of: net, as: one, for: .add)
      #expect(made.ownSubnets == prefixes("10.5.1.0/24"))
      #expect(made.network == prefixes("10.5.0.0/16"))
      #expect(made.vni == 7 && made.port == 4789 && made.isDirectRouting == true && made.peers == [])
      #expect(world.store.requests.count == 3)
      let mac = MACAddress(forTunnelOf: 7, from: one.local)
      #expect(
        world.store.texts["\(prefix)/subnets/10.5.1.0-24"]
          == #"{"BackendData":{"VNI":7,"VtepMAC":"\#(mac)"},"BackendType":"vxlan","PublicIP":"192.0.2.1"}"#)
      #expect(world.store.leases.values.sorted() == [86400])
      #expect(world.store.pairs.first { $0.key.contains("subnets") }?.lease == world.store.leases.keys.first)
      #expect(try world.control("a").consult(world.plane, of: net, as: one, for: .add) == made)
      #expect(world.store.requests.count == 4)
    }
  }

  @Test func `hosts get each other's subnets`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      _ = try world.control("a").consult(world.plane, of: net, as: one, for: .add)
      let second = try world.control("b").consult(world.plane, of: net, as: two, for: .add)
      #expect(second.ownSubnets == prefixes("10.5.2.0/24"))
      #expect(
        second.peers == [
          OverlayPeer(
            one.local, vtepMAC: MACAddress(forTunnelOf: 7, from: one.local), subnets: prefixes("10.5.1.0/24"))
        ])
      let first = try world.control("a").consult(world.plane, of: net, as: one, for: .check)
      #expect(first.peers.map(\.vtep) == [two.local])
      #expect(world.warnings == [])
    }
  }

  @Test func `concurrent ADDs on a host lease one subnet`() async throws {
    let world = try World.lasting()
    defer { world.remove() }
    try world.store.put(configKey, flannelConfig)
    let found = try await withThrowingTaskGroup(of: [IPPrefix].self) { group in
      for _ in 0..<8 {
        group.addTask { try world.control("a").consult(world.plane, of: net, as: one, for: .add).ownSubnets }
      }
      return try await group.reduce(into: Set<[IPPrefix]>()) { $0.insert($1) }
    }
    #expect(found == [prefixes("10.5.1.0/24")])
    #expect(world.store.leases.count == 1)
    #expect(world.store.texts.count == 2)
  }

  @Test func `ADD renews the etcd lease after half of its time`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      let made = try world.control("a").consult(world.plane, of: net, as: one, for: .add)
      for _ in 0..<5 {
        world.pass(seconds: 43199)
        #expect(try world.control("a").consult(world.plane, of: net, as: one, for: .add) == made)
        world.pass(seconds: 43199)
        #expect(try world.control("a").consult(world.plane, of: net, as: one, for: .add) == made)
      }
      #expect(world.store.leases.count == 1)
    }
  }

  @Test func `a host gets the same subnet after its etcd lease expired or its state files are gone`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      _ = try world.control("a").consult(world.plane, of: net, as: one, for: .add)
      let second = try world.control("b").consult(world.plane, of: net, as: two, for: .add).ownSubnets
      world.pass(seconds: 86400)
      #expect(world.store.texts.count == 1)
      #expect(try world.control("b").consult(world.plane, of: net, as: two, for: .add).ownSubnets == second)
      // Host c has a new state directory, so it has no record of its subnets.
      #expect(try world.control("c").consult(world.plane, of: net, as: two, for: .add).ownSubnets == second)
      world.pass(seconds: 43201)
      #expect(try world.control("c").consult(world.plane, of: net, as: two, for: .add).ownSubnets == second)
      world.pass(seconds: 43201)
      #expect(world.store.texts.count == 2)
    }
  }

  @Test func `a host keeps its subnet when its address changes`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      let before = try world.control("a").consult(world.plane, of: net, as: one, for: .add).ownSubnets
      #expect(try world.control("a").consult(world.plane, of: net, as: two, for: .add).ownSubnets == before)
      #expect(try world.json("\(prefix)/subnets/10.5.1.0-24")?["PublicIP"] == "192.0.2.2")
      let mac = MACAddress(forTunnelOf: 7, from: one.local)
      for _ in 0..<2 {
        let found = try world.control("a").consult(world.plane, of: net, as: two, for: .add)
        #expect(found.vtepMAC == mac && found.peers == [])
      }
      #expect(try world.json("\(prefix)/subnets/10.5.1.0-24")?["BackendData"]?["VtepMAC"]?.string == mac.description)
      #expect(world.store.texts.count == 2)
      #expect(world.store.leases.count == 1)
    }
  }

  @Test func `a refused ADD neither leases nor changes a subnet`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      let control = world.control("a"), refusal = CNIError(.invalidNetworkConfig, "no")
      for host in [one, two] {
        let before = world.store.texts
        var seen: [IPPrefix] = []
        let error = #expect(throws: CNIError.self) {
          try control.consult(world.plane, of: net, as: host, for: .add) { (controlState) throws(CNIError) in
            seen = controlState.ownSubnets
            throw refusal
          }
        }
        #expect(error == refusal && seen == prefixes("10.5.1.0/24"))
        #expect(world.store.texts == before && world.store.leases.count == before.count - 1)
        if host == one { _ = try control.consult(world.plane, of: net, as: one, for: .add) }
      }
    }
  }

  @Test func `ADD fails if another host leased the subnet after the etcd lease expired`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      _ = try world.control("a").consult(world.plane, of: net, as: one, for: .add)
      world.pass(seconds: 86400)
      _ = try world.control("b").consult(world.plane, of: net, as: two, for: .add)
      let before = world.store.texts
      let error = #expect(throws: CNIError.self) {
        try world.control("a").consult(world.plane, of: net, as: one, for: .add)
      }
      #expect(error?.code == .addressUnavailable)
      #expect(error?.message.contains("10.5.1.0-24: 192.0.2.2 took it") == true)
      #expect(world.store.texts == before)
    }
  }

  @Test func `after GC a host gets its old subnet again, or another one if that is taken`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      let control = world.control("a")
      let made = try control.consult(world.plane, of: net, as: one, for: .add).ownSubnets
      try control.collectGarbage(of: net, world.plane, valid: [])
      #expect(world.store.leases.isEmpty && world.store.texts.count == 1)
      #expect(try control.consult(world.plane, of: net, as: one, for: .add).ownSubnets == made)
      try control.collectGarbage(of: net, world.plane, valid: [])
      _ = try world.control("b").consult(world.plane, of: net, as: two, for: .add)
      #expect(try control.consult(world.plane, of: net, as: one, for: .add).ownSubnets == prefixes("10.5.2.0/24"))
    }
  }

  @Test func `ADD takes the next subnet if another host leases the first one concurrently`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      let rival = EtcdTransaction([
        .put("\(prefix)/subnets/10.5.1.0-24", Array(#"{"PublicIP":"192.0.2.9"}"#.utf8), lease: nil)
      ])
      world.store.next(.asUsual, .asUsual, .rival(rival))
      #expect(
        try world.control("a").consult(world.plane, of: net, as: one, for: .add).ownSubnets == prefixes("10.5.2.0/24"))
      #expect(world.store.leases.count == 1)
    }
  }

  @Test func `the next ADD finds a subnet if etcd's answer was lost`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      world.store.next(.asUsual, .asUsual, .answerLost)
      #expect(throws: CNIError.self) { try world.control("a").consult(world.plane, of: net, as: one, for: .add) }
      #expect(
        try world.control("a").consult(world.plane, of: net, as: one, for: .add).ownSubnets == prefixes("10.5.1.0/24"))
      #expect(world.store.texts.count == 2)
    }
  }

  @Test func `a reserved subnet needs no etcd lease and keeps its other keys`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      try world.store.put("\(prefix)/subnets/10.5.77.0-24", #"{"PublicIP":"192.0.2.1","Note":"rack 4"}"#)
      for _ in 0..<2 {
        #expect(
          try world.control("a").consult(world.plane, of: net, as: one, for: .add).ownSubnets
            == prefixes("10.5.77.0/24"))
      }
      #expect(world.store.leases.isEmpty)
      let value = try world.json("\(prefix)/subnets/10.5.77.0-24")
      #expect(value?["Note"] == "rack 4" && value?["BackendType"] == "vxlan")
    }
  }

  @Test func `without a quorum nothing is changed`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      for fates in 0..<3 {
        switch fates {
        case 0: world.store.next(.noQuorum)
        case 1: world.store.next(.asUsual, .noQuorum)
        default: world.store.next(.asUsual, .asUsual, .noQuorum)
        }
        let error = #expect(throws: CNIError.self) {
          try world.control("a").consult(world.plane, of: net, as: one, for: .add)
        }
        #expect(error?.code == .tryAgainLater)
        #expect(world.store.texts == [configKey: flannelConfig])
        #expect(try world.disk("a").host(net) == nil)
      }
    }
  }
}
