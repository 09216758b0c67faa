import CNI
import Kernel
import NetTypes
import Overlay
import TestSupport
import Testing
@testable import overlay_vxlan

@Suite struct VRFPlanTests {
  @Test func `the network's bridge and the bridge of the L3 VNI are in the VRF`() throws {
    let fixture = Fixture()
    _ = try fixture.add(Fixture.red)
    let vrf = try #require(fixture.kernel.link("red", on: .host))
    #expect(vrf.vrfTable == 1 << 30 + 4001)
    #expect(vrf.isUp)
    #expect(vrf.alias == "cni-vrf")
    let bridge = try #require(fixture.kernel.link("ovl3-4001", on: .host))
    let tunnel = try #require(fixture.kernel.link("vxl3-4001", on: .host))
    #expect(fixture.kernel.link("ov-net", on: .host)?.master == vrf.index)
    #expect(bridge.master == vrf.index)
    #expect(bridge.mac == MACAddress(forTunnelOf: 4001, from: "192.0.2.1"))
    #expect(tunnel.master == bridge.index)
    #expect(tunnel.port?.learning == false)
    #expect(tunnel.vxlan?.description == "vxlan id 4001 dstport 4789 local 192.0.2.1 nolearning")
    #expect(try fixture.kernel.addresses(of: "ovl3-4001", on: .host) == [])
  }

  @Test func `a second ADD changes no shared link of the VRF`() throws {
    let fixture = Fixture()
    _ = try fixture.add(Fixture.red)
    let before = fixture.kernel.applied.count
    _ = try fixture.next().add(Fixture.red)
    let shared = fixture.kernel.applied[before...].filter { "\($0)".contains("l3-") || "\($0)".contains(" red") }
    #expect(shared == [])
  }

  @Test func `GC of the last network removes the VRF and its shared links`() throws {
    let fixture = Fixture()
    let before = fixture.kernel.allLinks(on: .host)
    _ = try fixture.add(Fixture.red)
    try fixture.delete(Fixture.red, path: nil)
    try fixture.collectGarbage(Fixture.red)
    #expect(fixture.kernel.allLinks(on: .host) == before)
  }

  @Test func `an existing VRF keeps its table and is not removed`() throws {
    let fixture = Fixture()
    fixture.kernel.addLink("red", on: .host, kind: "vrf")
    fixture.kernel.state.links[.host]?["red"]?.vrfTable = 77
    _ = try fixture.add(Fixture.red)
    #expect(fixture.kernel.link("red", on: .host)?.vrfTable == 77)
    try fixture.delete(Fixture.red, path: nil)
    try fixture.collectGarbage(Fixture.red)
    #expect(fixture.kernel.allLinks(on: .host).map(\.name).filter { $0.description.contains("l3-") } == [])
    #expect(fixture.kernel.link("red", on: .host) != nil)
  }

  static let refused = [
    (
      #""controlPlane":{"type":"multicast","group":"239.1.1.1"},"dev":"uplink","vrf":"red""#,
      #"key "vrf": "red": only a"#
    ),
    (#""controlPlane":{"type":"evpn"},"l3vni":4001"#, #"key "l3vni": 4001: "vrf" is missing"#),
    (#""controlPlane":{"type":"evpn"},"vrfTable":9"#, #"key "vrfTable": 9: "vrf" is missing"#),
    (#""controlPlane":{"type":"evpn"},"vrf":"red","l3vni":100"#, #"key "l3vni": 100: it equals "vni""#),
    (#""controlPlane":{"type":"evpn"},"vrf":"red","l3vni":0"#, #"key "l3vni": 0: want 1 to 16777215"#),
    (
      #""controlPlane":{"type":"evpn"},"vrf":"red","vrfTable":254"#,
      #"key "vrfTable": 254: it is one of the host's own routing tables"#
    ),
    (#""controlPlane":{"type":"evpn"},"vrf":"red","vrfTable":0"#, #"key "vrfTable": 0: want 1 to 4294967295"#),
    (#""controlPlane":{"type":"evpn"},"vrf":"red","ipMasq":true"#, #"key "vrf": "red": packets of a VRF"#),
    (#""controlPlane":{"type":"evpn"},"vrf":"red","isGateway":false"#, #"key "vrf": "red": "isGateway" is false"#),
    (#""controlPlane":{"type":"evpn"},"vrf":"uplink""#, #"key "vrf": "uplink": it is not a VRF"#),
  ]

  @Test(arguments: refused)
  func `an invalid VRF is refused with the key`(keys: String, message: String) throws {
    let error = try Fixture().refusal("{\"vni\":100,\(keys),\(Fixture.addresses)}")
    #expect(error?.code == .invalidNetworkConfig)
    #expect(error?.message.hasPrefix(message) == true, "\(error?.message ?? "no refusal")")
  }

  @Test func `an existing network outside the VRF is not moved into it`() throws {
    let fixture = Fixture()
    _ = try fixture.add(Fixture.evpn)
    let error = try fixture.next().refusal(Fixture.red)
    #expect(error?.message.contains("bridge ov-net exists outside this VRF") == true)
  }
}
