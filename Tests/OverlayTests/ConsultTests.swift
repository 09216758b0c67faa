import CNI
import Kernel
import NetTypes
import Overlay
import PluginKit
import TestSupport
import Testing
@testable import overlay_vxlan

/// Data that is read before the plan is made.
@Suite struct ConsultTests {
  private func input(_ json: String, on fixture: Fixture) throws -> OverlayInput {
    var kernel = fixture.kernel
    return try fixture.input(json, for: .add, on: &kernel)
  }

  /// Peers and other keys, and the resulting `local` address of the host.
  static let locals: [(peers: String, keys: String, local: String)] = [
    (#"{"vtep":"192.0.2.2"}"#, "", "192.0.2.1"),
    (#"{"vtep":"198.51.100.1"},{"vtep":"192.0.2.2"}"#, "", "192.0.2.1"),
    (#"{"vtep":"192.0.2.2"},{"vtep":"192.0.2.77"}"#, "", "192.0.2.77"),
    (#"{"vtep":"192.0.2.2"},{"vtep":"10.255.0.1"}"#, "", "10.255.0.1"),
    (#"{"vtep":"2001:db8::2"}"#, "", "2001:db8::1"),
    (#"{"vtep":"2001:db8::2"}"#, #""dev":"uplink","#, "2001:db8::1"),
    (#"{"vtep":"192.0.2.1"}"#, "", "192.0.2.1"),
    ("", "", "192.0.2.1"),
    ("", #""local":"10.255.0.1","#, "10.255.0.1"),
    ("", #""dev":"second","#, "203.0.113.1"),
  ]

  @Test(arguments: locals)
  func `the VTEP address is found from the peers and the keys local and dev`(peers: String, keys: String, local: String)
    throws
  {
    let fixture = Fixture()
    fixture.kernel.addLink("second", on: .host)
    fixture.kernel.state.addresses += [
      AddressSpec("192.0.2.77/24", on: "uplink", .host), AddressSpec("2001:db8::1/64", on: "uplink", .host),
      AddressSpec("10.255.0.1/32", on: "lo", .host), AddressSpec("203.0.113.1/24", on: "second", .host),
    ]
    let json = #"{"mode":"l2","vni":1,\#(keys)"controlPlane":{"type":"static","peers":[\#(peers)]}}"#
    #expect(try input(json, on: fixture).local.description == local)
  }

  @Test func `a common peers list gives the host's own subnets and the other peers`() throws {
    let fixture = Fixture()
    fixture.control.files["/peers"] = [
      OverlayPeer("192.0.2.1", subnets: ["10.1.0.0/24"]), OverlayPeer("192.0.2.2", subnets: ["10.2.0.0/24"]),
    ]
    let found = try input(
      #"{"vni":1,"controlPlane":{"type":"static","peers":[{"vtep":"192.0.2.9","subnet":"10.9.0.0/24"}],"peersFile":"/peers"}}"#,
      on: fixture)
    #expect(found.controlState.ownSubnets == ["10.1.0.0/24"])
    #expect(found.controlState.peers.map(\.vtep) == ["192.0.2.9", "192.0.2.2"])
  }

  /// IPAM objects, and the ranges that the plugin adds.
  static let ipam: [(ipam: String, ranges: JSONValue?)] = [
    (#"{"type":"host-local"}"#, .array([.array([.object(["subnet": "10.1.0.0/24"])])])),
    (#"{"Type":"ipam-host-local","dataDir":"/d"}"#, .array([.array([.object(["subnet": "10.1.0.0/24"])])])),
    (#"{"type":"host-local","subnet":"10.7.0.0/24"}"#, nil),
    (#"{"type":"host-local","ranges":[]}"#, nil),
    (#"{"type":"static"}"#, nil),
  ]

  @Test(arguments: ipam)
  func `host-local without a subnet gets the host's subnet`(ipam: String, ranges: JSONValue?) throws {
    let fixture = Fixture()
    let json = """
      {"vni":1,"keep":"this","controlPlane":{"type":"static","peers":[{"vtep":"192.0.2.1","subnet":"10.1.0.0/24"}]},
      "ipam":\(ipam)}
      """
    let given = try input(json, on: fixture).ipamInput
    #expect(given?["ipam"]?["ranges"] == ranges)
    #expect((given?["keep"] == "this") == (ranges != nil))
  }

  private static let etcd = """
    {"mode":"l2","controlPlane":{"type":"etcd","endpoints":["http://127.0.0.1:2379"]},\(Fixture.addresses)}
    """

  @Test(arguments: [true, false])
  func `remote endpoints are used only while a process follows etcd`(isFollowed: Bool) throws {
    let fixture = Fixture()
    fixture.control.isFollowed = isFollowed
    fixture.control.controlState.vni = 7
    let endpoint = OverlayEndpoint("10.1.0.9", "02:42:0a:01:00:09")
    fixture.control.controlState.peers = [OverlayPeer("192.0.2.2", endpoints: [endpoint])]
    _ = try fixture.add(Self.etcd)
    #expect(fixture.kernel.state.forwarding.count { $0.interface == "vx-net" } == (isFollowed ? 3 : 1))
    #expect(fixture.kernel.link("vx-net", on: .host)?.vxlan?.port == 8472)
  }

  @Test func `ADD publishes the endpoints, DEL withdraws them, and a publish error is rolled back`() throws {
    let fixture = Fixture()
    fixture.control.controlState.vni = 7
    _ = try fixture.add(Self.etcd)
    #expect(
      fixture.control.publishedEndpoints == [
        OverlayEndpoint("10.1.0.5", "02:42:0a:01:00:05"), OverlayEndpoint("fd00:1::5", "02:42:0a:01:00:05"),
      ])
    try fixture.delete(Self.etcd, path: nil)
    #expect(fixture.control.publishedEndpoints == [])

    let other = Fixture()
    other.control.controlState.vni = 7
    let before = other.kernel.state
    other.control.error = CNIError(.tryAgainLater, "etcd: no quorum")
    #expect(try other.refusal(Self.etcd) == other.control.error)
    #expect(other.control.publishedEndpoints == [])
    #expect(other.kernel.state == before)
    #expect(other.ipam.calls == [.add, .del])
  }

  @Test func `ADD publishes its own addresses, not those of prevResult`() throws {
    let fixture = Fixture()
    fixture.control.controlState.vni = 7
    let previous = AddResult(
      interfaces: [.init(name: "eth9", mac: "02:00:00:00:00:09", sandbox: "/run/netns/c1")],
      ips: [.init(interface: 0, address: "10.9.0.9/24")])
    let result = try fixture.add(Self.etcd, previous: previous)
    #expect(result.ips.map(\.address) == ["10.9.0.9/24", "10.1.0.5/24", "fd00:1::5/64"])
    #expect(fixture.control.publishedEndpoints.map(\.address) == ["10.1.0.5", "fd00:1::5"])
  }

  @Test func `vni and dstport must equal those in etcd`() throws {
    let fixture = Fixture()
    fixture.control.controlState.vni = 7
    fixture.control.controlState.port = 8472
    let twice = Self.etcd.replacing("{\"mode\"", with: #"{"vni":8,"mode""#)
    #expect(
      try fixture.refusal(twice)?.message.hasPrefix(#"key "vni": 8: the network's configuration in etcd has 7"#) == true
    )
    let port = Self.etcd.replacing("{\"mode\"", with: #"{"dstport":4789,"mode""#)
    #expect(try fixture.refusal(port)?.message.hasPrefix(#"key "dstport": 4789: the network's configuration"#) == true)
  }
}
