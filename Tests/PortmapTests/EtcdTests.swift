import BaseSupport
import CNI
import Etcd
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

  private func config(_ float: String = #""192.0.2.7""#) throws -> PortmapConfig {
    let text = #"""
      {"floatingDevice":"up0","runtimeConfig":{"floatingIPs":[\#(float)]},
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

  func failToCommit() throws {
    try plugin.add(call(#""192.0.2.7""#)) { (_) throws(CNIError) in throw CNIError(.ioFailure, "pipe") }
  }

  func check() throws { try plugin.check(call(#""192.0.2.7""#)) }

  func delete() throws {
    try plugin.delete(
      Removal(
        owner: fixture.owner, namespacePath: nil, config: config(), delegates: FakeDelegate(type: nil).delegates))
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

  @Test func `a failed ADD gives the address back, unless the container had it before`() throws {
    try FloatHost.use { first, second, store in
      expect(.ioFailure) { try first.failToCommit() }
      #expect(store.pairs.isEmpty)
      try second.add()
      expect(.ioFailure) { try second.failToCommit() }
      #expect(store.pairs.count == 1)
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

  @Test func `the member move is refused`() throws {
    try FloatHost.use { first, _, _ in
      expect(.unsupportedField, "move") { try first.add(#"{"ip":"192.0.2.7","move":true}"#) }
    }
  }
}
