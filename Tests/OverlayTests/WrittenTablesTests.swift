import CNI
import Kernel
import NetTypes
import Overlay
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import overlay_vxlan

/// ADDs of a network whose tables were written before.
@Suite struct WrittenTablesTests {
  static let etcd = """
    {"vni":100,"controlPlane":{"type":"etcd","endpoints":["http://192.0.2.9:2379"]},\(Fixture.addresses)}
    """
  static let file = #"{"vni":100,"controlPlane":{"type":"static","peersFile":"/peers"},\#(Fixture.addresses)}"#

  /// A host with one container; peers are in etcd and in a file.
  private func host(_ json: String) throws -> Fixture {
    let fixture = Fixture()
    fixture.control.controlState.vni = 100
    fixture.control.controlState.ownSubnets = ["10.1.0.0/24"]
    fixture.control.etcdSource = .etcd(revision: 7, cluster: "c", keys: 3)
    fixture.control.files["/peers"] = [OverlayPeer("192.0.2.1", subnets: ["10.1.0.0/24"])]
    set(peers: [peer(2), peer(3)], of: fixture)
    fixture.ipam.answer.ips = [.init(address: "10.1.0.5/24", gateway: "10.1.0.1")]
    _ = try fixture.add(json)
    return fixture
  }

  private func peer(_ number: Int) -> OverlayPeer {
    OverlayPeer(
      IPAddress(v4: 0xC000_0200 + UInt32(number)), vtepMAC: MACAddress(value: 0x0200_0000_0000 + UInt64(number)),
      subnets: [IPPrefix("10.\(number).0.0/24")].compactMap(\.self))
  }

  private func set(peers: [OverlayPeer], of fixture: Fixture) {
    fixture.control.controlState.peers = peers
    fixture.control.files["/peers"]?.removeSubrange(1...)
    fixture.control.files["/peers"]? += peers
  }

  private func addNext(_ json: String, on fixture: Fixture) throws {
    let next = fixture.next()
    next.ipam.answer.ips = [.init(address: "10.1.0.6/24", gateway: "10.1.0.1")]
    _ = try next.add(json)
  }

  private func tables(_ fixture: Fixture) -> [String] {
    let state = fixture.kernel.state
    return state.routes.filter { $0.interface == "vx-net" }.map { "\($0.dst)" }.sorted()
      + state.neighbours.map { "\($0.address) \($0.mac?.description ?? "")" }.sorted()
      + state.forwarding.filter { $0.interface == "vx-net" }.map(\.description).sorted()
  }

  private func peersInRules(_ fixture: Fixture) throws -> [IPAddress]? {
    let rules = try fixture.kernel.filter.ruleSet(of: .tunnel(of: fixture.owner.network), .tunnels)?.rules
    guard case .guardTunnel(let tunnel)? = rules?.first else { return nil }
    return tunnel.peers
  }

  @Test(arguments: [etcd, file])
  func `an ADD after which nothing changed asks for no list of hosts and takes the shared lock`(json: String) throws {
    let fixture = try host(json)
    let before = tables(fixture), consulted = fixture.control.hosts.count, locks = fixture.kernel.locks.count
    try addNext(json, on: fixture)
    #expect(fixture.control.hosts.count == consulted)
    #expect(fixture.kernel.locks.dropFirst(locks) == [false])
    #expect(tables(fixture) == before && before.count == 6)
  }

  /// What a test changes after the first ADD.
  enum Damage: CaseIterable {
    case none, added, removed, moved, routeDeleted, neighbourChanged, entryDeleted, rulesRemoved, recordLost
  }

  @Test(arguments: [etcd, file], Damage.allCases)
  func `an ADD leaves the tables and rules of a fresh host, whatever has changed`(json: String, damage: Damage) throws {
    let fixture = try host(json), kernel = fixture.kernel
    var peers = [peer(2), peer(3)]
    switch damage {
    case .none: break
    case .added: peers.append(peer(4))
    case .removed: peers.removeFirst()
    case .moved: peers[1].vtepMAC = "02:00:00:00:00:33"
    case .routeDeleted: kernel.state.routes.removeAll { $0.dst == "10.3.0.0/24" }
    case .neighbourChanged:
      try kernel.apply(.setNeighbour(NeighbourSpec("10.2.0.0", mac: "02:00:00:00:00:77", on: "vx-net", .host)))
    case .entryDeleted: kernel.state.forwarding.removeAll { $0.mac == "02:00:00:00:00:02" }
    case .rulesRemoved: try kernel.filter.remove(.tunnel(of: fixture.owner.network), .tunnels, everywhere: false)
    case .recordLost: fixture.control.written = [:]
    }
    set(peers: peers, of: fixture)
    if [.added, .removed, .moved].contains(damage) {
      fixture.control.etcdSource = .etcd(revision: 8, cluster: "c", keys: peers.count + 1)
    }
    try addNext(json, on: fixture)
    let fresh = try host(json)
    set(peers: peers, of: fresh)
    fresh.control.written = [:]
    try addNext(json, on: fresh)
    #expect(tables(fixture) == tables(fresh))
    #expect(try peersInRules(fixture) == peers.map(\.vtep))
    // The next ADD finds everything as it should be.
    let consulted = fixture.control.hosts.count
    try fixture.kernel.apply(.deleteLink(fixture.next().owner.hostInterface, on: .host))
    try addNext(json, on: fixture)
    #expect(fixture.control.hosts.count == consulted)
  }

  @Test func `GC of the last attachment deletes the record`() throws {
    let fixture = try host(Self.file)
    #expect(fixture.control.written.count == 1)
    try fixture.collectGarbage(Self.file)
    #expect(fixture.control.written.isEmpty)
  }

  @Test func `CHECK compares every entry`() throws {
    let fixture = Fixture()
    let result = try fixture.add(Fixture.routed)
    fixture.kernel.state.forwarding.removeAll { $0.mac == "02:00:00:00:00:02" }
    let error = #expect(throws: CNIError.self) {
      try fixture.plugin.check(fixture.call(Fixture.routed, previous: result))
    }
    #expect(error?.message.contains("02:00:00:00:00:02") == true)
  }

  @Test func `a record is read as it was written, and a broken one is none`() throws {
    let fixture = try host(Self.etcd)
    let record = try #require(fixture.control.written[fixture.owner.network])
    #expect(record.source == .etcd(revision: 7, cluster: "c", keys: 3))
    #expect(record.digest.count == 6 && record.controlState.peers.map(\.vtep) == ["192.0.2.2", "192.0.2.3"])
  }

  @Test func `only entries of hosts that differ are written`() throws {
    let fixture = try host(Self.etcd)
    var kernel = fixture.kernel
    func settings(_ peers: [OverlayPeer]) throws -> OverlaySettings {
      set(peers: peers, of: fixture)
      return try OverlaySettings(fixture.input(Self.etcd, for: .check, on: &kernel), RuntimeKeys(), CNIArguments(""))
    }
    var moved = peer(3)
    moved.vtepMAC = "02:00:00:00:00:33"
    let old = try OverlayReconciler(settings([peer(2), peer(3)]), of: fixture.owner.network, on: &kernel)
    let same = try #require(try old.followed(by: settings([peer(2), peer(3)]), on: &kernel))
    #expect(try old.changes(to: same) == [])
    let next = try #require(try old.followed(by: settings([peer(3), peer(4)]), on: &kernel))
    let changes = try old.changes(to: next)
    #expect(
      changes.map(\.description) == [
        "change packet filter rules of \(AttachmentID.tunnel(of: fixture.owner.network).tag)",
        "change 6 entries of vx-net",
      ])
    let other = try #require(try next.followed(by: settings([moved, peer(4)]), on: &kernel))
    let lines = try next.changes(to: other).flatMap { change in
      if case .updateTunnelTables(let update) = change {
        update.changes.map(\.description)
      } else {
        [change.description]
      }
    }
    #expect(
      lines == [
        "delete forwarding entry 02:00:00:00:00:03 to 192.0.2.3 on vx-net",
        "set forwarding entry 02:00:00:00:00:33 to 192.0.2.3 on vx-net",
        "set neighbour 10.3.0.0 02:00:00:00:00:33 on vx-net",
      ])
    // Another MAC address of the device, or a lost device: the host has to be read again.
    fixture.kernel.state.links[.host]?["vx-net"]?.mac = "02:00:00:00:00:99"
    #expect(try old.followed(by: settings([peer(4)]), on: &kernel) == nil)
  }
}
