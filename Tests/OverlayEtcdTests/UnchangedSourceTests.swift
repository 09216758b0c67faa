import CNI
import Etcd
import EtcdSupport
import Foundation
import Kernel
import NetTypes
import Testing
@testable import Overlay

/// Whether etcd has changed since this host's tables were written.
@Suite struct `Unchanged sources in etcd` {
  private let peer = #"{"PublicIP":"192.0.2.9","BackendType":"vxlan","BackendData":{"VtepMAC":"02:00:00:00:00:09"}}"#
  private let key = "\(prefix)/subnets/10.5.9.0-24"

  private func source(_ world: World) throws -> WrittenTables.Source {
    let made = try world.control("a").consult(world.plane, of: net, as: one, for: .add)
    guard let source = made.source else { throw CNIError(.ioFailure, "no source") }
    return source
  }

  private func unchanged(_ source: WrittenTables.Source, _ world: World) throws -> WrittenTables.Source? {
    try world.control("a").unchangedSource(since: source, world.plane, of: net, as: one)
  }

  @Test func `one request for one key shows that nothing was written, two that nothing of the network was`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      try world.store.put(key, peer)
      let source = try source(world)
      let before = world.store.requests.count
      #expect(try unchanged(source, world) == source)
      #expect(world.store.requests.count == before + 1)
      try world.store.put("/elsewhere", "x")
      let next = try #require(try unchanged(source, world))
      #expect(world.store.requests.count == before + 3)
      #expect(try unchanged(next, world) == next)
      #expect(world.store.requests.count == before + 4)
    }
  }

  /// What happens after the tables were written.
  @Test(arguments: [
    "a host comes", "a host goes", "one comes and one goes", "a host changes", "the configuration changes",
    "this host's entry is gone", "this host's lease is another one", "its lease must be renewed", "etcd is emptied",
    "etcd is restored", "the record of this host is lost",
  ])
  func `a change of the network is found`(event: String) throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      try world.store.put(key, peer)
      let backup = world.store.backup(), other = key.replacing("5.9", with: "5.8")
      let source = try source(world)
      let own = try #require(world.disk("a").host(net)?.key)
      switch event {
      case "a host comes": try world.store.put(other, peer)
      case "a host goes": try world.store.delete(.one(key))
      case "one comes and one goes":
        try world.store.put(other, peer)
        try world.store.delete(.one(key))
      case "a host changes": try world.store.put(key, peer.replacing("00:09", with: "00:08"))
      case "the configuration changes": try world.store.put(configKey, flannelConfig.replacing("4789", with: "8472"))
      case "this host's entry is gone": try world.store.delete(.one(own))
      case "this host's lease is another one": try world.store.put(own, world.store.texts[own] ?? "")
      case "its lease must be renewed": world.passUnseen(seconds: 50000)
      case "etcd is emptied": world.store.restore(nil)
      case "etcd is restored": world.store.restore(backup)
      default:
        try world.disk("a").save(
          HostRecord(
            prefix: "/other", key: own, local: one.local, leaseSeconds: 0, renewed: 0, vni: 7, port: 4789), of: net)
      }
      #expect(try unchanged(source, world) == nil)
    }
  }

  @Test func `a record on disk is read as it was written, and a broken one is none`() throws {
    try World.use { world in
      let disk = world.disk("a")
      var controlState = ControlPlaneState()
      controlState.ownSubnets = prefixes("10.5.1.0/24")
      controlState.network = prefixes("10.5.0.0/16")
      (controlState.vni, controlState.port, controlState.isDirectRouting) = (7, 4789, false)
      controlState.vtepMAC = parsed("02:00:00:00:00:01")
      controlState.peers = (2...20).map {
        OverlayPeer(IPAddress(v4: 0xC000_0200 + UInt32($0)), subnets: prefixes("10.5.\($0).0/24"))
      }
      for source in [WrittenTables.Source.etcd(revision: 1 << 40, cluster: "77", keys: 19), .list(.max)] {
        let tables = WrittenTables(
          from: source, inputs: .max, TunnelDigest(count: 3, sum: .max - 1), at: one.local, controlState)
        #expect(tables.controlState.peers == Array(controlState.peers.prefix(8)))
        disk.save(tables, of: net)
        #expect(disk.tables(net) == tables)
      }
      disk.forgetTables(of: net)
      #expect(disk.tables(net) == nil)
      try "{".write(toFile: "\(world.directory)/a/run/\(net).tables", atomically: true, encoding: .utf8)
      #expect(disk.tables(net) == nil)
    }
  }
}
