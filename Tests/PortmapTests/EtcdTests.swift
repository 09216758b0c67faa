import BaseSupport
import CNI
import Etcd
import EtcdRecords
import EtcdSupport
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing

@testable import portmap

/// One of several hosts whose containers want the same floating address.
private struct FloatHost {
  let name: String
  let store: FakeEtcd
  let directory: String
  let fixture = Fixture()

  var kernel: FakeKernel { fixture.kernel }

  static func use(_ body: (FloatHost, FloatHost, FakeEtcd) throws -> Void) throws {
    try inTemporaryDirectory { directory in
      let store = FakeEtcd()
      try body(
        FloatHost(name: "h1", store: store, directory: "\(directory)/1"),
        FloatHost(name: "h2", store: store, directory: "\(directory)/2"), store)
    }
  }

  static let moving = #"{"ip":"192.0.2.7","move":true}"#

  private func config(_ floats: String = #""192.0.2.7""#) throws -> PortmapConfig {
    let text = #"""
      {"floatingDevice":"up0","runtimeConfig":{"floatingIPs":[\#(floats)]},
       "etcd":{"endpoints":"http://127.0.0.1:1","node":"\#(name)"}}
      """#
    return try PortmapConfig(JSONReader(CNIJSON.decodeValue(Array(text.utf8))))
  }

  private var plugin: PortmapPlugin<FakeKernel, FakeEtcd> {
    PortmapPlugin(connect: { (_) throws(CNIError) in store }, state: directory) { [kernel] () throws(KernelError) in
      kernel
    }
  }

  private func call(_ float: String) throws -> Call<PortmapConfig> {
    let previous = AddResult(
      interfaces: [.init(name: "br0"), .init(name: "eth0", sandbox: "/run/netns/c1")],
      ips: [.init(interface: 1, address: "10.1.0.5/24", gateway: "10.1.0.1")])
    return Call(
      owner: fixture.owner, namespacePath: "/run/netns/c1", config: try config(float), previous: previous,
      delegates: FakeDelegate(type: nil).delegates)
  }

  func add(_ float: String = #""192.0.2.7""#) throws { try plugin.add(call(float)) { (_) throws(CNIError) in } }

  func failToCommit(_ float: String = #""192.0.2.7""#, after body: () throws -> Void = {}) throws {
    try plugin.add(call(float)) { (_) throws(CNIError) in
      do { try body() } catch { throw CNIError(.ioFailure, "\(error)") }
      throw CNIError(.ioFailure, "pipe")
    }
  }

  /// What `cnictl sync` does in etcd.
  ///
  /// - Returns: the addresses that another host has taken.
  func exchange() throws -> [IPAddress] {
    var store = store
    let shared = try SharedFloatingAddresses(#require(config().etcd), of: "net", state: directory)
    let held = fixture.ruleSets.flatMap { ruleSet in
      ruleSet.floats.map { SharedFloatingAddresses.Held($0.external, ruleSet.owner) }
    }
    return try shared.exchange(held, in: &store).map(\.address)
  }

  func check() throws { try plugin.check(call(#""192.0.2.7""#)) }

  func delete(withFloats: Bool = true) throws {
    try plugin.delete(
      Removal(
        owner: fixture.owner, namespacePath: nil, config: config(withFloats ? #""192.0.2.7""# : ""),
        delegates: FakeDelegate(type: nil).delegates))
  }

  func collectGarbage() throws {
    try plugin.collectGarbage(
      NetworkCall(name: "net", config: config(), delegates: FakeDelegate(type: nil).delegates), valid: [])
  }
}

/// Floating addresses that hosts share through etcd.
@Suite struct PortmapEtcdTests {
  private func expect(_ code: CNIError.Code, _ text: String = "", _ body: () throws -> Void) {
    let error = #expect(throws: CNIError.self) { try body() }
    #expect(error?.code == code && error?.message.contains(text) == true, "\(error as Any)")
  }

  @Test func `an address that a container of another host has is refused until that one leaves`() throws {
    try FloatHost.use { first, second, store in
      try first.add()
      try first.add()
      try first.check()
      #expect(store.pairs.map(\.key) == ["/swift-cni/floating/192.0.2.7"])
      expect(.portInUse, "container c1 of network net on host h1") { try second.add() }
      #expect(second.kernel.applied.isEmpty)
      try second.delete()
      #expect(store.pairs.count == 1, "DEL deletes no key of another host")
      try first.delete()
      #expect(store.pairs.isEmpty)
      try second.add()
      expect(.differences, "h2") { try first.check() }
    }
  }

  @Test func `GC deletes the keys of this host's containers alone`() throws {
    try FloatHost.use { first, second, store in
      try first.add()
      try second.collectGarbage()
      #expect(store.pairs.count == 1)
      try first.collectGarbage()
      #expect(store.pairs.isEmpty)
    }
  }

  @Test func `a failed ADD puts back what the key was, with its lease`() throws {
    try FloatHost.use { first, second, store in
      expect(.ioFailure) { try first.failToCommit() }
      #expect(store.pairs.isEmpty)
      try second.add()
      let before = store.pairs.map { [$0.key, String(decoding: $0.value, as: UTF8.self), "\($0.lease?.id ?? 0)"] }
      expect(.ioFailure) { try second.failToCommit() }
      expect(.ioFailure) { try first.failToCommit(FloatHost.moving) }
      #expect(
        store.pairs.map { [$0.key, String(decoding: $0.value, as: UTF8.self), "\($0.lease?.id ?? 0)"] } == before)
      store.pass(seconds: 90000)
      try second.add()
      let other = try #require(store.pairs.first?.lease)
      var etcd = store
      expect(.ioFailure) { try first.failToCommit(FloatHost.moving) { try etcd.revoke(other) } }
      #expect(store.pairs.isEmpty, "the lease of the last holder has ended")
    }
  }

  @Test func `move takes the address from another host, which then lets go`() throws {
    try FloatHost.use { first, second, store in
      try first.add()
      #expect(try first.exchange() == [])
      try second.add(FloatHost.moving)
      expect(.differences, "h2") { try first.check() }
      try second.check()
      #expect(try first.exchange() == ["192.0.2.7"])
      #expect(try second.exchange() == [])
      try first.delete()
      #expect(store.texts.values.allSatisfy { $0.contains("h2") } && store.pairs.count == 1)
    }
  }

  @Test func `another host that takes the address meanwhile has it, and the ADD leaves nothing`() throws {
    try FloatHost.use { first, second, store in
      let key = "/swift-cni/floating/192.0.2.7"
      try second.add()
      let value = try #require(store.pairs.first?.value)
      try second.delete()
      let rival = FakeEtcd.Fate.rival(EtcdTransaction([.put(key, value, lease: nil)]))
      // Before the write, and between the write and the end of the ADD.
      for fates in [[.asUsual, .asUsual, rival], [.asUsual, .asUsual, .asUsual, rival]] {
        try store.delete(.prefixed("/"))
        store.next(fates)
        expect(.portInUse) { try first.add() }
        #expect(store.pairs.map(\.value) == [value])
        #expect(first.fixture.ruleSets.isEmpty)
      }
      store.next(.asUsual, .asUsual, rival)
      try first.add(FloatHost.moving)
      #expect(store.texts[key]?.contains("h1") == true)
    }
  }

  @Test(arguments: [[FakeEtcd.Fate.asUsual, .noQuorum], [.asUsual, .asUsual, .answerLost]])
  func `an ADD without an answer of etcd changes nothing`(fates: [FakeEtcd.Fate]) throws {
    try FloatHost.use { first, _, store in
      store.next(fates)
      expect(.tryAgainLater) { try first.add() }
      #expect(store.pairs.isEmpty && first.kernel.applied.isEmpty)
    }
  }

  @Test func `sync puts back keys that etcd lost and deletes keys that no container has`() throws {
    try FloatHost.use { first, second, store in
      try first.add()
      try second.add(#""192.0.2.8""#)
      store.pass(seconds: 90000)
      try store.put(
        "/swift-cni/floating/192.0.2.9", #"{"node":"h1","container":"x","interface":"eth0","network":"net"}"#)
      try store.put(
        "/swift-cni/floating/192.0.2.10", #"{"node":"h1","container":"x","interface":"eth0","network":"n2"}"#)
      #expect(try first.exchange() == [])
      #expect(store.pairs.map(\.key) == ["10", "7"].map { "/swift-cni/floating/192.0.2.\($0)" })
      store.next(.noQuorum)
      expect(.tryAgainLater) { _ = try second.exchange() }
      #expect(try second.exchange() == [])
      #expect(store.pairs.count == 3)
    }
  }

  @Test func `a move whose rollback is refused once gives the address back to the other host`() throws {
    try FloatHost.use { first, second, store in
      try first.add()
      // The lease, two requests to take the key, one at the end of ADD; then the rollback.
      store.next(.asUsual, .asUsual, .asUsual, .asUsual, .noQuorum)
      expect(.ioFailure) { try second.failToCommit(FloatHost.moving) }
      #expect(store.texts.values.map { $0.contains("h1") } == [true])
    }
  }

  @Test func `sync gives the key to the container that has the address, not to one whose ADD was killed`() throws {
    try FloatHost.use { first, _, store in
      try first.add()
      try store.put(
        "/swift-cni/floating/192.0.2.7", #"{"node":"h1","container":"c2","interface":"eth0","network":"net"}"#)
      #expect(try first.exchange() == [])
      try first.check()
    }
  }

  @Test func `without a quorum ADD changes nothing, and a repeated DEL does the rest`() throws {
    try FloatHost.use { first, _, store in
      store.next(.noQuorum)
      expect(.tryAgainLater) { try first.add() }
      #expect(first.kernel.applied.isEmpty)
      try first.add()
      store.next(.noQuorum)
      expect(.tryAgainLater) { try first.delete() }
      #expect(first.fixture.ruleSets.isEmpty)
      try first.delete()
      #expect(store.pairs.isEmpty)
    }
  }

  @Test func `without a floating address DEL does not ask etcd`() throws {
    try FloatHost.use { first, _, store in
      store.next(.noQuorum)
      try first.delete(withFloats: false)
      #expect(store.requests.isEmpty)
    }
  }

  @Test func `DEL keeps the key while the address cannot be removed`() throws {
    try FloatHost.use { first, _, store in
      try first.add()
      first.kernel.changesBeforeRefusal = 0
      #expect(throws: CNIError.self) { try first.delete() }
      #expect(store.pairs.count == 1)
      try first.delete()
      #expect(store.pairs.isEmpty)
    }
  }
}
