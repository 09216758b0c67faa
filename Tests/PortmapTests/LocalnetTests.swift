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
    first = Fixture()
    second = Fixture(container: "c2", on: first.kernel, network: "net2")
  }

  private var setting: String? { first.kernel.sysctl("net/ipv4/conf/br0/route_localnet", on: .host) }

  private func collectGarbage() throws {
    try first.collectGarbage("{}")
  }

  @Test func `DEL sets route_localnet to 0 with the last published port of the link`() throws {
    try first.add(mapping)
    try second.add(otherMapping)
    try first.delete(nil, path: nil)
    #expect(setting == "1")
    try second.delete(nil, path: nil)
    #expect(setting == "0")
  }

  @Test func `GC sets route_localnet to 0 unless another network needs it`() throws {
    try first.add(mapping)
    try second.add(otherMapping)
    try collectGarbage()
    #expect(setting == "1")
    try second.delete(nil, path: nil)
    try first.add(mapping)
    try collectGarbage()
    #expect(setting == "0")
  }

  @Test func `route_localnet is set after the rules are added and reset before they are removed`() throws {
    let changes = try first.changes(mapping)
    #expect(changes.map(\.isRule) == [true, false, false])
    try first.delete(nil, path: nil)
    let removal = first.kernel.applied[changes.count...]
    #expect(removal.first == .disableRouteLocalnet("br0", except: [first.owner]))
  }

  @Test func `a repeated ADD resets route_localnet before it removes the old rules`() throws {
    let count = try first.changes(mapping).count
    try first.add(mapping)
    #expect(first.kernel.applied[count] == .disableRouteLocalnet("br0", except: [first.owner]))
    #expect(setting == "1")
  }

  @Test(arguments: [false, true])
  func `a rolled back ADD resets route_localnet unless another attachment needs it`(isNeededByOther: Bool) throws {
    if isNeededByOther { try second.add(otherMapping) }
    #expect(throws: CNIError(.ioFailure, "gone")) {
      try first.plugin.add(first.call(mapping)) { (_) throws(CNIError) in throw CNIError(.ioFailure, "gone") }
    }
    #expect(setting == (isNeededByOther ? "1" : "0"))
  }

  @Test func `DEL keeps the rules if route_localnet cannot be set to 0, and can be repeated`() throws {
    try first.add(mapping)
    first.kernel.changesBeforeRefusal = 0
    #expect(throws: CNIError.self) { try first.delete(nil, path: nil) }
    #expect(first.ruleSets.map(\.owner) == [first.owner])
    try first.delete(nil, path: nil)
    #expect(first.ruleSets.isEmpty)
    #expect(setting == "0")
  }

  @Test func `a rolled back ADD keeps route_localnet if the host had set it`() throws {
    first.kernel.state.sysctls[.host]?["net/ipv4/conf/br0/route_localnet"] = "1"
    #expect(throws: CNIError(.ioFailure, "gone")) {
      try first.plugin.add(first.call(mapping)) { (_) throws(CNIError) in throw CNIError(.ioFailure, "gone") }
    }
    #expect(setting == "1")
  }

  @Test func `DEL without stored rules resets route_localnet of all our bridges`() throws {
    first.kernel.state.links[.host]?["br0"]?.group = Isolation.linkGroup
    first.kernel.state.sysctls[.host]?["net/ipv4/conf/br0/route_localnet"] = "1"
    try first.delete(mapping, path: nil)
    #expect(setting == "0")
  }
}

extension Change {
  fileprivate var isRule: Bool { if case .addRules = self { true } else { false } }
}
