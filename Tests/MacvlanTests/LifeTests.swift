import CNI
import Kernel
import NetTypes
import PluginKit
import TestSupport
import Testing
@testable import macvlan

@Suite struct LifeTests {
  static let json = #"{"master":"up0","mtu":1400,"hostAccess":true,"ipam":{"type":"fake"}}"#

  private func attached() throws -> (Fixture, AddResult) {
    let fixture = Fixture()
    return (fixture, try fixture.add(Self.json))
  }

  @Test(arguments: [nil, "/run/netns/c1"])
  func `DEL removes all with or without the namespace and can be repeated`(path: String?) throws {
    let untouched = Fixture()
    let (fixture, _) = try attached()
    for _ in 1...2 { try fixture.delete(path: path) }
    #expect(fixture.kernel.state.links[.host]?.keys.map(\.description) == ["up0"])
    #expect(fixture.kernel.state.routes.filter { $0.netns == .host } == untouched.kernel.state.routes)
    #expect(fixture.kernel.state.neighbours.filter { $0.netns == .host } == [])
    #expect((fixture.kernel.link("eth0", on: .container) == nil) == (path != nil))
    #expect(fixture.ipam.calls == [.add, .del, .del])
  }

  @Test func `only the last DEL removes the host's link`() throws {
    let (fixture, _) = try attached()
    let other = fixture.other()
    fixture.ipam.answer.ips[0].address = "10.1.0.6/24"
    fixture.ipam.answer.ips[1].address = "fd00:1::6/64"
    _ = try other.add(Self.json)
    try fixture.delete(path: nil)
    let routes = fixture.kernel.state.routes.filter { $0.netns == .host }
    #expect(routes.map(\.dst) == ["10.1.0.6/32", "fd00:1::6/128"])
    #expect(fixture.kernel.state.neighbours.map(\.address) == ["10.1.0.6"])
    #expect(fixture.kernel.link(fixture.link, on: .host) != nil)
    try other.delete(path: nil)
    #expect(fixture.kernel.state.links[.host]?.keys.map(\.description) == ["up0"])
  }

  @Test func `DEL keeps routes and neighbour entries if another container has the address now`() throws {
    let (fixture, _) = try attached()
    let next = fixture.other()
    _ = try next.add(Self.json)
    try fixture.delete(path: nil)
    #expect(fixture.kernel.state.neighbours.contains { $0.address == "10.1.0.5" && $0.netns == .host })
    #expect(fixture.kernel.state.routes.filter { $0.netns == .host }.allSatisfy { $0.priority == next.owner.numericID })
  }

  @Test func `DEL keeps the host's link if another route uses it`() throws {
    let (fixture, _) = try attached()
    fixture.kernel.state.routes.append(RouteSpec("10.1.0.9/32", on: fixture.link, .host))
    try fixture.delete(path: nil)
    #expect(fixture.kernel.state.routes.filter { $0.netns == .host }.map(\.dst) == ["10.1.0.9/32"])
    #expect(fixture.kernel.link(fixture.link, on: .host) != nil)
  }

  @Test func `DEL takes the host lock exclusively only with hostAccess`() throws {
    let (fixture, _) = try attached()
    let before = fixture.kernel.locks
    try fixture.delete(path: nil)
    #expect(Array(fixture.kernel.locks.dropFirst(before.count)) == [true])
    let plain = Fixture()
    _ = try plain.add(#"{"ipam":{"type":"fake"}}"#)
    try plain.delete(path: nil)
    #expect(plain.kernel.locks == [false])
  }

  @Test func `ADD takes the lock exclusively only to make the host's link`() throws {
    let (fixture, _) = try attached()
    #expect(fixture.kernel.locks == [false, true])
    fixture.ipam.answer.ips = [.init(address: "10.1.0.6/24")]
    _ = try fixture.other().add(Self.json)
    #expect(fixture.kernel.locks == [false, true, false])
  }

  @Test func `GC removes routes of invalid attachments and, after the last one, the host's link`() throws {
    let (fixture, _) = try attached()
    let other = fixture.other()
    fixture.ipam.answer.ips = [.init(address: "10.1.0.6/24")]
    _ = try other.add(Self.json)
    let all = fixture.kernel.state
    try fixture.collectGarbage(Self.json, keeping: [fixture.owner, other.owner])
    #expect(fixture.kernel.state == all)
    try fixture.collectGarbage(Self.json, keeping: [other.owner])
    #expect(fixture.kernel.state.routes.filter { $0.netns == .host }.map(\.dst) == ["10.1.0.6/32"])
    #expect(fixture.kernel.state.neighbours.map(\.address) == ["10.1.0.6"])
    try fixture.collectGarbage(Self.json)
    #expect(fixture.kernel.state.links[.host]?.keys.map(\.description) == ["up0"])
  }

  @Test func `DEL and GC keep a link of the same name with a foreign alias`() throws {
    let fixture = Fixture()
    fixture.kernel.addLink(fixture.link, on: .host, kind: "macvlan")
    fixture.kernel.state.links[.host]?[fixture.link]?.alias = "theirs"
    let before = fixture.kernel.state
    try fixture.delete(path: nil)
    try fixture.collectGarbage(Self.json)
    #expect(fixture.kernel.state == before)
  }

  @Test func `DEL removes the link without alias that a killed ADD left`() throws {
    let fixture = Fixture()
    fixture.kernel.addLink(fixture.link, on: .host, kind: "macvlan")
    try fixture.delete(path: nil)
    #expect(fixture.kernel.link(fixture.link, on: .host) == nil)
  }

  /// Sorts the routes: a rollback adds routes of other networks again at the end of the list.
  private func sortingRoutes(_ state: FakeKernel.State) -> FakeKernel.State {
    var state = state
    state.routes.sort { "\($0)" < "\($1)" }
    return state
  }

  @Test(arguments: [false, true], 0..<32)
  func `ADD rolls back all changes if the kernel refuses one`(hasOther: Bool, n: Int) throws {
    let fixture = Fixture()
    if hasOther {
      _ = try fixture.other().add(Self.json)
      fixture.ipam.answer.ips = [.init(address: "10.1.0.6/24"), .init(address: "fd00:1::6/64")]
    }
    let before = fixture.kernel.state, count = fixture.kernel.applied.count
    fixture.kernel.changesBeforeRefusal = n
    let succeeded = (try? fixture.add(Self.json)) != nil
    let changes = fixture.kernel.applied.count - count
    #expect(succeeded == (changes <= n))
    if !succeeded { #expect(sortingRoutes(fixture.kernel.state) == sortingRoutes(before)) }
    // If this ADD fails, the sweep needs more rounds to reach the last change.
    if n == 31 { #expect(succeeded) }
  }

  @Test func `STATUS fails if the master is missing or refuses a macvlan link`() throws {
    let fixture = Fixture()
    let network = try fixture.network(Self.json)
    try fixture.plugin.status(network)
    fixture.kernel.trialError = KernelError("create macvlan", errno: .EBUSY, reason: "Device or resource busy")
    #expect(throws: CNIError(.notAvailable, "create macvlan: Device or resource busy")) {
      try fixture.plugin.status(network)
    }
    fixture.kernel.trialError = nil
    // A master that is down is accepted: its links come up when it does.
    fixture.kernel.state.links[.host]?["up0"]?.isUp = false
    try fixture.plugin.status(network)
    fixture.kernel.state.links[.host]?["up0"] = nil
    #expect(throws: CNIError(.notAvailable, #"key "master": "up0": no such link on the host"#)) {
      try fixture.plugin.status(network)
    }
    #expect(fixture.ipam.calls == [.status, .status])
  }
}
