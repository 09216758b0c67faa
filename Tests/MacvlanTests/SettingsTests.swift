import CNI
import Kernel
import NetTypes
import TestSupport
import Testing
@testable import macvlan

@Suite struct SettingsTests {
  static let access = #""hostAccess":true,"ipam":{"type":"x"}"#

  @Test(arguments: [
    (#""mode":"router""#, #"key "mode": "router": want bridge, private, vepa, passthru or source"#),
    (#""mode":5"#, #"key "mode": 5: want a string"#),
    (#""mode":"source""#, #"key "mode": "source": want "sourceMACs", the addresses that may reach it"#),
    (
      #""mode":"source","sourceMACs":[]"#,
      #"key "mode": "source": want "sourceMACs", the addresses that may reach it"#
    ),
    (#""sourceMACs":["02:00:00:00:00:01"]"#, #"key "sourceMACs": want "mode": "source" with it"#),
    (#""sourceMACs":"02:00:00:00:00:01""#, #"key "sourceMACs": "02:00:00:00:00:01": want a list"#),
    (
      #""mode":"source","sourceMACs":["x"]"#,
      #"key "sourceMACs[0]": "x": want a MAC address of six bytes, such as 02:42:ac:11:00:02"#
    ),
    (#""bcqueuelen":-1"#, #"key "bcqueuelen": -1: want 1 to 4294967295"#),
    (#""bcqueuelen":4294967296"#, #"key "bcqueuelen": 4294967296: want 1 to 4294967295"#),
    (#""bcqueuelen":"1""#, #"key "bcqueuelen": "1": want a whole number"#),
    (#""mtu":67"#, #"key "mtu": 67: want 68 to 65535"#), (#""mtu":-1"#, #"key "mtu": -1: want 68 to 65535"#),
    (#""mtu":1501"#, #"key "mtu": 1501: want 68 to 1500, the MTU of up0"#),
    (#""mtu":1000,"ipam":{"type":"x"}"#, #"key "mtu": 1000: want 1280 or more for IPv6"#),
    (#""master":"nope""#, #"key "master": "nope": no such link on the host"#),
    (#""master":"nope","linkInContainer":true"#, #"key "master": "nope": no such link in the container"#),
    (#""linkInContainer":1"#, #"key "linkInContainer": 1: want true or false"#),
    (#""gwPriority":100"#, #"key "gwPriority": 100: want -1000000 to 99"#),
    (
      #""mac":"02:00:00:00:00""#,
      #"key "mac": "02:00:00:00:00": want a MAC address of six bytes, such as 02:42:ac:11:00:02"#
    ),
    (#""mac":"01:00:5e:00:00:01""#, "MAC address 01:00:5e:00:00:01: want a unicast address"),
    (#""mac":"00:00:00:00:00:00""#, "MAC address 00:00:00:00:00:00: want a unicast address"),
    (
      #""mac":"02:00:00:00:00:01","mode":"passthru""#,
      "MAC address 02:00:00:00:00:01: in mode passthru the link has the MAC address of its master: want none"
    ),
    (#""hostAccess":"yes""#, #"key "hostAccess": "yes": want true or false"#),
    (
      access + #","mode":"vepa""#,
      #"keys "hostAccess": true and "mode": "vepa": want "bridge", in which links of one master reach each other"#
    ),
    (
      access + #","mode":"passthru""#,
      #"keys "hostAccess": true and "mode": "passthru": want "bridge", in which links of one master reach each other"#
    ),
    (
      access + #","linkInContainer":true"#,
      #"keys "hostAccess" and "linkInContainer": the host cannot use that master: want only one of the keys"#
    ),
    (#""hostAccess":true"#, #"key "hostAccess": true: the host needs the containers' addresses: want "ipam" with it"#),
  ])
  func `ADD refuses an invalid configuration and changes nothing`(keys: String, message: String) throws {
    let fixture = Fixture()
    #expect(throws: CNIError(.invalidNetworkConfig, message)) { try fixture.add("{\(keys)}") }
    #expect(fixture.kernel.applied == [])
  }

  @Test func `ADD without master fails if the host has no default route`() throws {
    let fixture = Fixture()
    fixture.kernel.uplink = nil
    let message = #"key "master" is absent and there is no default route on the host: want the name of a link"#
    #expect(throws: CNIError(.invalidNetworkConfig, message)) { try fixture.add("{}") }
  }

  @Test(
    arguments: [
      ("{}", .bridge, nil), (#"{"mode":""}"#, .bridge, nil), (#"{"mode":"bridge","bcqueuelen":0}"#, .bridge, nil),
      (#"{"mode":"private"}"#, .private, nil), (#"{"mode":"vepa","bcqueuelen":1}"#, .vepa, 1),
      (#"{"mode":"passthru"}"#, .passthru, nil), (#"{"bcqueuelen":4294967295}"#, .bridge, 4_294_967_295),
      (
        #"{"mode":"source","sourceMACs":["02:00:00:00:00:02","02-00-00-00-00-01"]}"#,
        .source(["02:00:00:00:00:02", "02:00:00:00:00:01"]), nil
      ),
    ] as [(String, Macvlan.Mode, Int?)])
  func `the link gets the configured mode and broadcast queue length`(json: String, mode: Macvlan.Mode, queue: Int?)
    throws
  {
    let fixture = Fixture()
    _ = try fixture.add(json)
    #expect(
      fixture.kernel.link("eth0", on: .container)?.childKind == .macvlan(Macvlan(mode, broadcastQueue: queue)))
  }

  @Test(arguments: [
    (#"{"mac":"02:00:00:00:00:01"}"#, "", "02:00:00:00:00:01"),
    (#"{"mac":"02:00:00:00:00:01"}"#, "MAC=02:00:00:00:00:02", "02:00:00:00:00:02"),
    (
      #"{"mac":"02:00:00:00:00:01","args":{"cni":{"mac":"02:00:00:00:00:03"}}}"#, "MAC=02:00:00:00:00:02",
      "02:00:00:00:00:03"
    ),
    (
      #"{"args":{"cni":{"mac":"02:00:00:00:00:03"}},"runtimeConfig":{"mac":"02:00:00:00:00:04"}}"#,
      "MAC=02:00:00:00:00:02", "02:00:00:00:00:04"
    ),
  ])
  func `MAC address precedence is runtimeConfig, args.cni, CNI_ARGS, mac`(json: String, arguments: String, mac: String)
    throws
  {
    let fixture = Fixture()
    let result = try fixture.add(json, arguments: arguments)
    #expect(result.interfaces[0].mac == mac)
    #expect(fixture.kernel.link("eth0", on: .container)?.mac?.description == mac)
  }

  @Test func `in mode passthru the link has its master's MAC address`() throws {
    let fixture = Fixture()
    let result = try fixture.add(#"{"mode":"passthru"}"#)
    #expect(result.interfaces[0].mac == fixture.kernel.link("up0", on: .host)?.mac?.description)
  }

  @Test(
    arguments: [
      (nil, 1500), (0, 1500), (68, 68), (1400, 1400), (1500, 1500),
    ] as [(Int?, Int)])
  func `the MTU is the configured one or the master's`(given: Int?, mtu: Int) throws {
    let fixture = Fixture()
    fixture.ipam.answer = AddResult()
    let result = try fixture.add(given.map { #"{"mtu":\#($0)}"# } ?? "{}")
    #expect(result.interfaces[0].mtu == mtu)
    #expect(fixture.kernel.link("eth0", on: .container)?.mtu == mtu)
  }

  @Test func `the master may be in the container`() throws {
    let fixture = Fixture()
    fixture.kernel.addLink("inner", on: .container, mtu: 1450)
    let result = try fixture.add(#"{"master":"inner","linkInContainer":true}"#)
    #expect(result.interfaces[0].mtu == 1450)
    let inner = fixture.kernel.link("inner", on: .container)
    #expect(fixture.kernel.link("eth0", on: .container)?.parentIndex == inner?.index)
  }
}
