import CNI
import Etcd
import EtcdSupport
import NetTypes
import Testing
@testable import Overlay

@Suite struct `STATUS and CHECK with etcd` {
  private func code(_ world: World, _ command: Command, _ host: OverlayHost = one) -> CNIError.Code? {
    do throws(CNIError) {
      _ = try world.control("a").consult(world.plane, of: net, as: host, for: command)
      return nil
    } catch { return error.code }
  }

  @Test func `STATUS succeeds if the host has an etcd lease or can get one`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      #expect(code(world, .status) == nil)
      #expect(world.store.texts.count == 1)
      #expect(code(world, .add) == nil)
      #expect(code(world, .status) == nil && code(world, .check) == nil)
    }
  }

  @Test func `STATUS uses the subnet that ADD would take and changes nothing in etcd`() throws {
    try World.use { world in
      let whole = OverlayHost(.l3, local: one.local, vni: 7, network: prefixes("10.5.0.0/16"))
      for host in [whole, one] {
        if host == one { try world.store.put(configKey, flannelConfig) }
        let before = world.store.texts
        let found = try world.control("a").consult(world.plane, of: net, as: host, for: .status)
        #expect(found.ownSubnets == prefixes("10.5.1.0/24") && found.vni == 7 && found.peers == [])
        #expect(world.store.texts == before && world.store.leases.isEmpty)
      }
    }
  }

  @Test func `without etcd STATUS uses the stored subnet until the etcd lease expires`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      world.store.next(.noQuorum)
      #expect(code(world, .status) == .tryAgainLater)
      let made = try world.control("a").consult(world.plane, of: net, as: one, for: .add)
      world.store.next(.noQuorum, .noQuorum)
      let found = try world.control("a").consult(world.plane, of: net, as: one, for: .status)
      #expect(found.ownSubnets == made.ownSubnets && found.vni == 7 && found.port == 4789)
      #expect(code(world, .check) == .tryAgainLater)
      world.passUnseen(seconds: 86400)
      world.store.next(.noQuorum)
      #expect(code(world, .status) == .limitedConnectivity)
    }
  }

  @Test func `STATUS returns 51 after the etcd lease expired until the next ADD`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      #expect(code(world, .add) == nil)
      world.pass(seconds: 86400)
      #expect(code(world, .status) == .limitedConnectivity)
      #expect(code(world, .check) == .differences)
      #expect(world.store.texts.count == 1)
      #expect(code(world, .add) == nil)
      #expect(code(world, .status) == nil)
    }
  }

  @Test func `STATUS returns 50 and ADD fails if no subnet is free`() throws {
    try World.use { world in
      try world.store.put(configKey, #"{"Network":"10.5.0.0/24","Backend":{"Type":"vxlan"}}"#)
      for index in 1...3 { try world.store.put("\(prefix)/subnets/10.5.0.\(index * 64)-26", "{}") }
      #expect(code(world, .status) == .notAvailable)
      #expect(code(world, .add) == .poolExhausted)
      #expect(world.store.leases.isEmpty)
    }
  }

  @Test func `ADD fails if the network in etcd was changed while containers are attached`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      #expect(code(world, .add) == nil)
      try world.store.put(configKey, flannelConfig.replacing("10.5.", with: "10.6."))
      #expect(code(world, .add) == .invalidNetworkConfig)
      world.pass(seconds: 86400)
      #expect(code(world, .add) == .invalidNetworkConfig)
      try world.control("a").collectGarbage(of: net, world.plane, valid: [])
      #expect(code(world, .add) == nil)
    }
  }
}
