import CNI
import Kernel
import NetTypes
import Overlay
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import overlay_vxlan

/// CHECK, DEL, GC and STATUS, and conflicts with existing devices.
@Suite struct LifeTests {
  static let networks = [Fixture.routed, Fixture.bridged, Fixture.evpn, Fixture.multicast]

  @Test(arguments: networks)
  func `CHECK reports nothing after ADD, and later each difference`(json: String) throws {
    let fixture = Fixture()
    let result = try fixture.add(json)
    try fixture.plugin.check(fixture.call(json, previous: result))
    try fixture.kernel.apply(.changeLink("vx-net", on: .host, LinkChange(isUp: false, mac: "02:00:00:00:00:99")))
    fixture.kernel.state.forwarding = []
    let error = #expect(throws: CNIError.self) {
      try fixture.plugin.check(fixture.call(json, previous: result))
    }
    #expect(error?.code == .differences)
    #expect(error?.message.contains("host link vx-net has MAC 02:00:00:00:00:99") == true)
    #expect(error?.message.contains("forwarding entry") == true)
  }

  @Test(arguments: networks)
  func `the last DEL leaves the devices, and GC removes them`(json: String) throws {
    let fixture = Fixture()
    let before = fixture.kernel.state.links
    _ = try fixture.add(json)
    try fixture.delete(json, path: nil)
    #expect(fixture.kernel.state.links[.host]?.keys.contains("vx-net") == true)
    #expect(fixture.kernel.state.links[.host]?.keys.contains(fixture.owner.hostInterface) == false)
    #expect(fixture.kernel.state.neighbours.filter { $0.mac == MACAddress(forContainer: "10.1.0.5") } == [])
    #expect(try fixture.ruleSet == nil)
    try fixture.collectGarbage(json)
    #expect(fixture.kernel.state.links[.host] == before[.host])
    #expect(fixture.kernel.state.neighbours == [])
    #expect(fixture.kernel.state.forwarding == [])
  }

  /// The ADD is killed after each of its changes.
  @Test(arguments: networks)
  func `GC removes what a killed ADD left`(json: String) throws {
    let whole = Fixture()
    _ = try whole.add(json)
    for count in 0..<whole.kernel.applied.count {
      let fixture = Fixture()
      let before = fixture.kernel.state.links[.host]
      for change in whole.kernel.applied.prefix(count) { try fixture.kernel.apply(change) }
      try fixture.collectGarbage(json)
      #expect(fixture.kernel.state.links[.host] == before, "after \(count) changes")
      #expect(fixture.kernel.state.neighbours == [], "after \(count) changes")
    }
  }

  /// Existing devices on the host, and the error of ADD.
  static let conflicts: [(json: String, existing: [Change], message: String)] = [
    (
      Fixture.routed, [made("other", 100), tagged("other", "cni:one/")],
      "key \"vni\": network one's other is vxlan id 100 dstport 4789 nolearning, want vxlan id 100 dstport 4789 local"
    ),
    (
      Fixture.routed, [made("vx-net", 101)],
      "key \"vxlan\": vx-net is vxlan id 101 dstport 4789 nolearning, want vxlan id 100 dstport 4789 local 192.0.2.1"
    ),
    (
      Fixture.routed, [.createLink(LinkSpec("vx-net", kind: .dummy))],
      "key \"vxlan\": \"vx-net\" is a dummy link: want a free name"
    ),
    (
      Fixture.bridged, [.createLink(LinkSpec("ov-net", kind: .dummy))],
      "key \"bridge\": \"ov-net\" is a dummy link: want a bridge or a free name"
    ),
    (
      Fixture.bridged, [.createLink(LinkSpec("ov-net", kind: .bridge(filtersVLANs: false), mac: "02:00:00:00:00:07"))],
      "key \"gatewayMac\": bridge ov-net has 02:00:00:00:00:07, want 02:43:4e:00:00:64: the same on all hosts"
    ),
    (
      Fixture.routed,
      [.createLink(LinkSpec("ov-net", kind: .bridge(filtersVLANs: false))), tagged("ov-net", "cni:one/")],
      "key \"bridge\": \"ov-net\" belongs to network one: want another name"
    ),
  ]

  private static func made(_ name: InterfaceName, _ vni: Int) -> Change {
    .createLink(LinkSpec(name, kind: .vxlan(VXLAN(vni: vni, port: 4789), over: nil)))
  }

  private static func tagged(_ name: InterfaceName, _ alias: String) -> Change {
    .changeLink(name, on: .host, LinkChange(alias: alias))
  }

  @Test(arguments: conflicts)
  func `an existing device that does not fit is refused with both values`(
    json: String, existing: [Change], message: String
  ) throws {
    let fixture = Fixture()
    for change in existing { try fixture.kernel.apply(change) }
    let before = fixture.kernel.state
    let error = try #require(try fixture.refusal(json))
    #expect(error.code == .invalidNetworkConfig)
    #expect(error.message.hasPrefix(message))
    #expect(fixture.kernel.state == before)
    let obstacle = #expect(throws: CNIError.self) { try fixture.status(json) }
    #expect(obstacle?.code == .notAvailable)
    #expect(obstacle?.message.hasPrefix(message) == true)
  }

  @Test func `STATUS reports why an ADD would fail`() throws {
    let fixture = Fixture()
    try fixture.status(Fixture.routed)
    fixture.kernel.state.sysctls[.host]?["net/ipv4/neigh/default/gc_thresh3"] = "2"
    var error = #expect(throws: CNIError.self) { try fixture.status(Fixture.routed) }
    #expect(error?.code == .notAvailable)
    #expect(
      error?.message == "2 neighbours of other hosts: net/ipv4/neigh/default/gc_thresh3 is 2: want 4 or more")
    error = #expect(throws: CNIError.self) {
      try fixture.status(Fixture.routed.replacing("{\"vni\"", with: #"{"local":"192.0.2.9","vni""#))
    }
    #expect(error?.code == .notAvailable)
    #expect(error?.message.hasPrefix(#"key "local": "192.0.2.9": this host does not have it"#) == true)
  }

  @Test func `the MTU is limited by the underlay and by the existing device`() throws {
    let fixture = Fixture()
    fixture.kernel.state.links[.host]?["uplink"]?.mtu = 9000
    #expect(try fixture.add(Fixture.routed).interfaces[2].mtu == 8950)
    let given = Fixture.routed.replacing("{\"vni\"", with: #"{"mtu":9000,"vni""#)
    var error = try fixture.next("c0").refusal(given)
    #expect(error?.message == #"key "mtu": 9000: vx-net exists with MTU 8950: want at most 8950"#)
    try fixture.status(Fixture.routed)
    // The underlay's MTU is lower now: new links get the lower MTU, and STATUS reports larger ones.
    fixture.kernel.state.links[.host]?["uplink"]?.mtu = 1500
    let second = fixture.next()
    second.ipam.answer.ips = [.init(address: "10.1.0.6/24", gateway: "10.1.0.1")]
    #expect(try second.add(Fixture.routed).interfaces[2].mtu == 1450)
    #expect(fixture.kernel.link("vx-net", on: .host)?.mtu == 8950)
    error = try second.next("c3").refusal(given)
    #expect(
      error?.message
        == #"key "mtu": 9000: the underlay carries 1500 bytes, and the tunnel takes 50 of them: want at most 1450"#)
    error = #expect(throws: CNIError.self) { try fixture.status(Fixture.routed) }
    let port = fixture.owner.hostInterface
    #expect(error?.code == .limitedConnectivity)
    #expect(error?.message.hasSuffix("want at most 1450: vx-net with 8950, container port \(port) with 8950") == true)
  }

  @Test(arguments: networks)
  func `ADD updates the VXLAN device after the host's address changed`(json: String) throws {
    let fixture = Fixture()
    let result = try fixture.add(json)
    let neighbours = fixture.kernel.state.neighbours
    fixture.kernel.state.addresses.removeAll { $0.prefix.address == "192.0.2.1" }
    fixture.kernel.state.addresses.append(AddressSpec("192.0.2.8/24", on: "uplink", .host))
    let moved = json.replacing(#""192.0.2.1""#, with: #""192.0.2.8""#)
    let error = #expect(throws: CNIError.self) { try fixture.plugin.check(fixture.call(moved, previous: result)) }
    #expect(error?.message.contains("host link vx-net has local 192.0.2.1, want 192.0.2.8") == true)
    try fixture.status(moved)
    let before = fixture.kernel.state
    fixture.kernel.changesBeforeRefusal = 8
    let next = fixture.next()
    next.ipam.answer.ips = [.init(address: "10.1.0.6/24", gateway: "10.1.0.1")]
    if try next.refusal(moved) != nil { #expect(fixture.kernel.state.links[.host] == before.links[.host]) }
    fixture.kernel.changesBeforeRefusal = .max
    _ = try fixture.next("c3").add(moved)
    let device = try #require(fixture.kernel.link("vx-net", on: .host))
    #expect(device.vxlan?.local == "192.0.2.8" && device.index == before.links[.host]?["vx-net"]?.index)
    #expect(neighbours.allSatisfy(fixture.kernel.state.neighbours.contains))
  }

  @Test func `a peers list with the host's former address is refused`() throws {
    let fixture = Fixture()
    _ = try fixture.add(Fixture.routed)
    fixture.kernel.state.addresses.removeAll { $0.prefix.address == "192.0.2.1" }
    fixture.kernel.state.addresses.append(AddressSpec("192.0.2.8/24", on: "uplink", .host))
    let error = try fixture.next().refusal(Fixture.routed)
    #expect(error?.message.contains("vx-net has the local address 192.0.2.1, but this host now has 192.0.2.8") == true)
  }

  @Test func `reconciliation updates the devices without an ADD`() throws {
    let fixture = Fixture()
    var kernel = fixture.kernel
    func reconciled(_ json: String) throws -> [Change] {
      let input = try fixture.input(json, for: .check, on: &kernel)
      let settings = try OverlaySettings(input, RuntimeKeys(), CNIArguments(""))
      return try OverlayReconciler(settings, of: fixture.owner.network, on: &kernel).changes()
    }
    #expect(try reconciled(Fixture.routed) == [])
    _ = try fixture.add(Fixture.routed)
    let made = fixture.kernel.state
    for change in try reconciled(Fixture.routed) { try kernel.apply(change) }
    #expect(fixture.kernel.state == made)
    let fewer = """
      {"vni":100,"controlPlane":{"type":"static","peers":[{"vtep":"192.0.2.2","subnet":"10.2.0.0/24"}]},
      \(Fixture.addresses)}
      """
    for change in try reconciled(fewer) { try kernel.apply(change) }
    #expect(fixture.kernel.state.routes.filter { $0.netns == .host }.map(\.dst) == ["10.2.0.0/24"])
  }

  @Test func `device names contain the network's name or a hash of it`() throws {
    #expect(OverlayNames("twelve-bytes").bridge == "ov-twelve-bytes")
    let long = OverlayNames("thirteen-byte")
    #expect(long.vxlan.description.utf8.count == 15)
    #expect(long == OverlayNames("thirteen-byte"))
    #expect(long != OverlayNames("thirteen-byts"))
  }
}
