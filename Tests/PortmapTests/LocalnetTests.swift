import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import portmap

/// `route_localnet` of the bridge: 1 only while rules of published ports, and with them the guard of 127.0.0.0/8, exist.
@Suite struct LocalnetTests {
  private let first: Fixture
  private let second: Fixture
  private let mapping = mappings(#"{"hostPort":8080,"containerPort":80}"#)
  private let otherMapping = mappings(#"{"hostPort":8081,"containerPort":80}"#)

  init() throws {
    first = try Fixture()
    second = try Fixture(container: "c2", on: first.kernel, network: "net2")
  }

  private var setting: String? { first.kernel.sysctl("net/ipv4/conf/br0/route_localnet", on: .host) }

  private func collectGarbage() throws {
    let network = NetworkCall(
      name: first.owner.network, config: try first.config("{}"), delegates: Delegates(ipam: nil) { _, _, _ in nil })
    try first.plugin.collectGarbage(network, valid: [])
  }

  @Test func `DEL sets it to 0 with the last published port of the link`() throws {
    try first.add(mapping)
    try second.add(otherMapping)
    try first.delete(nil)
    #expect(setting == "1")
    try second.delete(nil)
    #expect(setting == "0")
  }

  @Test func `GC sets it to 0 unless another network needs it`() throws {
    try first.add(mapping)
    try second.add(otherMapping)
    try collectGarbage()
    #expect(setting == "1")
    try second.delete(nil)
    try first.add(mapping)
    try collectGarbage()
    #expect(setting == "0")
  }

  @Test func `it is set after the rules, and reset before they go`() throws {
    let changes = try first.changes(mapping)
    #expect(changes.map(\.isRule) == [true, false, false])
    try first.delete(nil)
    let removal = first.kernel.applied[changes.count...]
    #expect(removal.first == .disableRouteLocalnet("br0", except: [first.owner]))
  }

  @Test func `a repeated ADD resets it before it removes the rules of the first`() throws {
    let count = try first.changes(mapping).count
    try first.add(mapping)
    #expect(first.kernel.applied[count] == .disableRouteLocalnet("br0", except: [first.owner]))
    #expect(setting == "1")
  }

  @Test(arguments: [false, true])
  func `an ADD whose result cannot be written resets it unless others need it`(othersNeedIt: Bool) throws {
    if othersNeedIt { try second.add(otherMapping) }
    #expect(throws: CNIError(.ioFailure, "gone")) {
      try first.plugin.add(first.call(mapping)) { (_) throws(CNIError) in throw CNIError(.ioFailure, "gone") }
    }
    #expect(setting == (othersNeedIt ? "1" : "0"))
  }

  @Test func `rules stay where it cannot be set to 0, and DEL can be repeated`() throws {
    try first.add(mapping)
    first.kernel.changesBeforeRefusal = 0
    #expect(throws: CNIError.self) { try first.delete(nil) }
    #expect(first.ruleSets.map(\.owner) == [first.owner])
    try first.delete(nil)
    #expect(first.ruleSets.isEmpty)
    #expect(setting == "0")
  }

  @Test func `an ADD that is taken back leaves a setting of the host's own`() throws {
    first.kernel.state.sysctls[.host]?["net/ipv4/conf/br0/route_localnet"] = "1"
    #expect(throws: CNIError(.ioFailure, "gone")) {
      try first.plugin.add(first.call(mapping)) { (_) throws(CNIError) in throw CNIError(.ioFailure, "gone") }
    }
    #expect(setting == "1")
  }

  @Test func `without remembered rules, every bridge of ours is reset`() throws {
    first.kernel.state.links[.host]?["br0"]?.group = Isolation.linkGroup
    first.kernel.state.sysctls[.host]?["net/ipv4/conf/br0/route_localnet"] = "1"
    try first.delete(mapping)
    #expect(setting == "0")
  }
}

extension Change {
  fileprivate var isRule: Bool { if case .addRules = self { true } else { false } }
}
