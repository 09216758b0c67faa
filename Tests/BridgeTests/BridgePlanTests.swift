import CNI
import Kernel
import NetTypes
import PluginKit
import TestSupport
import Testing
@testable import bridge

@Suite struct BridgePlanTests {
  @Test(arguments: [
    (#""mtu":67"#, "key \"mtu\": 67: want 68 to 65535"),
    (#""mtu":65536"#, "key \"mtu\": 65536: want 68 to 65535"),
    (#""mtu":-1"#, "key \"mtu\": -1: want 68 to 65535"),
    (#""mtu":1000"#, "key \"mtu\": 1000: want 1280 or more for IPv6"),
    (#""gwPriority":100"#, "key \"gwPriority\": 100: want -1000000 to 99"),
    (
      #""hairpinMode":true,"promiscMode":true"#,
      "keys \"hairpinMode\" and \"promiscMode\": want one of them, not both"
    ),
    (
      #""disableContainerInterface":true,"ipam":{"type":"x"}"#,
      "key \"disableContainerInterface\": true: a link that stays down can have no \"ipam\""
    ),
    (#""runtimeConfig":{"mac":"01:00:5e:00:00:01"}"#, "MAC address 01:00:5e:00:00:01: want a unicast address"),
    (#""bridge":"lo0""#, "key \"bridge\": \"lo0\" is a macvlan link: want a bridge or a free name"),
  ])
  func `an invalid configuration is refused and nothing is changed`(keys: String, message: String) throws {
    let fixture = Fixture()
    fixture.kernel.addLink("lo0", on: .host, kind: "macvlan")
    #expect(throws: CNIError(.invalidNetworkConfig, message)) { try fixture.add("{\(keys)}") }
    #expect(fixture.kernel.applied == [])
  }

  @Test(
    arguments: [
      ("{}", nil, nil, 1500), (#"{"mtu":9000}"#, 1400, nil, 9000), ("{}", 1400, nil, 1400), ("{}", 9000, 1500, 1500),
      (#"{"mtu":0}"#, 1400, 1300, 1300),
    ] as [(String, Int?, Int?, Int)])
  func `the MTU comes from the key, the existing bridge or the uplink`(
    json: String, uplink: Int?, bridge: Int?, mtu: Int
  ) throws {
    let fixture = Fixture()
    if let uplink {
      fixture.kernel.addLink("up0", on: .host, mtu: uplink)
      fixture.kernel.uplink = "up0"
    }
    if let bridge { fixture.kernel.addLink("cni0", on: .host, kind: "bridge", mtu: bridge) }
    let result = try fixture.add(json)
    #expect(fixture.kernel.link("eth0", on: .container)?.mtu == mtu)
    #expect(result.interfaces[2].mtu == mtu)
  }

  @Test(arguments: [
    (#"{"macFromIP":true}"#, "", "02:42:0a:01:00:05"),
    (#"{"macFromIP":true}"#, "MAC=02:00:00:00:00:01", "02:00:00:00:00:01"),
    (#"{"args":{"cni":{"mac":"02:00:00:00:00:02"}}}"#, "MAC=02:00:00:00:00:01", "02:00:00:00:00:02"),
    (
      #"{"args":{"cni":{"mac":"02:00:00:00:00:02"}},"runtimeConfig":{"mac":"02:00:00:00:00:03"}}"#,
      "MAC=02:00:00:00:00:01", "02:00:00:00:00:03"
    ),
  ])
  func `the MAC address comes from the source with the highest precedence`(json: String, arguments: String, mac: String)
    throws
  {
    let result = try Fixture().add(json, arguments: arguments)
    #expect(result.interfaces[2].mac == mac)
  }

  @Test func `macFromIP is refused if the container gets only IPv6 addresses`() throws {
    let fixture = Fixture()
    fixture.ipam.answer.ips.removeFirst()
    #expect(
      throws: CNIError(
        .invalidNetworkConfig,
        "key \"macFromIP\": true: the container has no IPv4 address to derive the MAC address from")
    ) { try fixture.add(#"{"macFromIP":true}"#) }
  }

  @Test func `gwPriority sets the metric of default routes`() throws {
    let result = try Fixture().add(#"{"isDefaultGateway":true,"gwPriority":10}"#)
    #expect(result.routes.map(\.priority) == [90, 90])
  }

  @Test func `our own bridge gets another address only with forceAddress`() throws {
    let fixture = Fixture()
    fixture.kernel.addLink("cni0", on: .host, kind: "bridge")
    fixture.kernel.state.links[.host]?["cni0"]?.alias = "cni:net/"
    fixture.kernel.state.addresses = [AddressSpec("10.2.0.1/24", on: "cni0", .host)]
    let refusal = CNIError(
      .invalidNetworkConfig, "bridge cni0 already has the address 10.2.0.1/24: want 10.1.0.1/24, fd00:1::1/64",
      details: "\"forceAddress\": true replaces it")
    #expect(throws: refusal) { try fixture.add(#"{"isGateway":true}"#) }
    _ = try fixture.add(#"{"isGateway":true,"forceAddress":true}"#)
    #expect(try fixture.kernel.addresses(of: "cni0", on: .host) == ["10.1.0.1/24", "fd00:1::1/64"])
  }

  @Test func `a bridge that we did not make keeps its address even with forceAddress`() throws {
    let fixture = Fixture()
    fixture.kernel.addLink("cni0", on: .host, kind: "bridge")
    fixture.kernel.state.addresses = [AddressSpec("10.2.0.1/24", on: "cni0", .host)]
    let refusal = CNIError(
      .invalidNetworkConfig, "bridge cni0 already has the address 10.2.0.1/24: want 10.1.0.1/24, fd00:1::1/64",
      details: "this plugin did not create the bridge and does not change its addresses")
    #expect(throws: refusal) { try fixture.add(#"{"isGateway":true,"forceAddress":true}"#) }
  }

  @Test func `the result has the final MAC address of a bridge that we did not make`() throws {
    let fixture = Fixture()
    fixture.kernel.addLink("cni0", on: .host, kind: "bridge")
    let mac = fixture.kernel.link("cni0", on: .host)?.mac?.description
    #expect(try fixture.add("{}").interfaces[0].mac == mac)
  }

  @Test func `two IPv6 networks may share a bridge, two IPv4 networks may not`() throws {
    let fixture = Fixture()
    fixture.kernel.addLink("cni0", on: .host, kind: "bridge")
    fixture.kernel.state.addresses = [AddressSpec("fd00:2::1/64", on: "cni0", .host)]
    _ = try fixture.add(#"{"isGateway":true}"#)
    #expect(try fixture.kernel.addresses(of: "cni0", on: .host) == ["fd00:2::1/64", "10.1.0.1/24", "fd00:1::1/64"])
  }
}

@Suite struct BridgeVLANTests {
  @Test func `a port has the VLANs of vlan and vlanTrunk, and the VLAN gateway has its own link`() throws {
    let fixture = Fixture()
    let result = try fixture.add(
      #"{"bridge":"br0","isGateway":true,"vlan":100,"vlanTrunk":[{"id":7},{"minID":200,"maxID":210}]}"#)
    let state = fixture.kernel.state
    #expect(fixture.kernel.link("br0", on: .host)?.filtersVLANs == true)
    #expect(state.vlans[fixture.owner.hostInterface]?.description == "native 100, tagged 7,200-210, without 1")
    #expect(state.vlans["br0-100"]?.description == "native 100, without 1")
    #expect(fixture.kernel.link("br0-100", on: .host)?.master == fixture.kernel.link("br0", on: .host)?.index)
    #expect(try fixture.kernel.addresses(of: "br0.100", on: .host) == ["10.1.0.1/24", "fd00:1::1/64"])
    #expect(try fixture.kernel.addresses(of: "br0", on: .host) == [])
    #expect(result.interfaces.map(\.name) == ["br0", fixture.owner.hostInterface.description, "eth0", "br0.100"])
  }

  @Test func `preserveDefaultVlan keeps the default VLAN on the port`() throws {
    let fixture = Fixture()
    _ = try fixture.add(#"{"bridge":"br0","vlan":100,"preserveDefaultVlan":true}"#)
    #expect(fixture.kernel.state.vlans[fixture.owner.hostInterface]?.keepsDefault == true)
  }

  @Test(arguments: [
    (#""vlan":4095"#, "key \"vlan\": 4095: want 1 to 4094"), (#""vlan":-1"#, "key \"vlan\": -1: want 1 to 4094"),
    (#""vlanTrunk":[{"id":0}]"#, "key \"vlanTrunk[0].id\": 0: want 1 to 4094"),
    (#""vlanTrunk":[{"id":1},{"minID":5}]"#, "key \"vlanTrunk[1]\": want both minID and maxID, or neither"),
    (#""vlanTrunk":[{"minID":9,"maxID":5}]"#, "key \"vlanTrunk[0]\": minID 9 is greater than maxID 5"),
    (#""vlanTrunk":[{}]"#, "key \"vlanTrunk[0]\": want id, or minID and maxID"),
    (
      #""bridge":"a23456789012","vlan":100,"isGateway":true"#,
      "key \"bridge\": \"a23456789012\": want at most 11 bytes, to make a23456789012.100"
    ),
  ])
  func `invalid VLAN keys are refused`(keys: String, message: String) throws {
    let fixture = Fixture()
    #expect(throws: CNIError(.invalidNetworkConfig, message)) { try fixture.add("{\(keys)}") }
    #expect(fixture.kernel.applied == [])
  }

  @Test func `a bridge without vlan_filtering is refused, and the error shows the command that enables it`() throws {
    let fixture = Fixture()
    fixture.kernel.addLink("cni0", on: .host, kind: "bridge")
    fixture.kernel.state.links[.host]?["cni0"]?.filtersVLANs = false
    let refusal = CNIError(
      .invalidNetworkConfig, "bridge cni0 does not filter VLANs: want vlan_filtering on",
      details: "ip link set cni0 type bridge vlan_filtering 1")
    #expect(throws: refusal) { try fixture.add(#"{"vlan":5}"#) }
  }

  @Test func `CHECK reports a missing VLAN`() throws {
    let fixture = Fixture()
    let json = #"{"bridge":"br0","vlan":100,"vlanTrunk":[{"id":7}]}"#
    let result = try fixture.add(json)
    try fixture.plugin.check(fixture.call(json, previous: result))
    fixture.kernel.state.vlans[fixture.owner.hostInterface] = PortVLANs(native: VLANID(1))
    #expect {
      try fixture.plugin.check(fixture.call(json, previous: result))
    } throws: {
      let message = ($0 as? CNIError)?.message ?? ""
      return message.contains("has native VLAN 1, want 100") && message.contains("does not pass VLAN 7")
    }
  }
}
