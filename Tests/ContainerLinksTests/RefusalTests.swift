import CNI
import Kernel
import NetTypes
import PluginKit
import TestSupport
import Testing
@testable import dummy
@testable import ipvlan
@testable import vlan

@Suite struct RefusalTests {
  private func expect<Driver>(_ fixture: Fixture<Driver>, _ json: String, _ code: CNIError.Code, _ message: String)
    throws
  {
    #expect(try fixture.refusal(json) == CNIError(code, message))
    #expect(fixture.kernel.applied == [])
    // Errors that need no look at the host come before IPAM's ADD; after other errors IPAM gets DEL.
    #expect(fixture.ipam.calls == [] || fixture.ipam.calls == [.add, .del])
  }

  @Test(
    arguments: [
      (#""mode":"l4""#, .invalidNetworkConfig, #"key "mode": "l4": want one of l2, l3, l3s"#),
      (#""mode":"L2""#, .invalidNetworkConfig, #"key "mode": "L2": want one of l2, l3, l3s"#),
      (#""flag":"open""#, .invalidNetworkConfig, #"key "flag": "open": want one of bridge, private, vepa"#),
      (
        #""mode":"l3s","policy":{}"#, .invalidNetworkConfig,
        #"keys "policy" and "mode": "l3s": packets to the container do not pass its packet filter: want mode l2 or l3"#
      ),
      (#""mtu":67"#, .invalidNetworkConfig, #"key "mtu": 67: want 68 to 65535"#),
      (#""mtu":-1"#, .invalidNetworkConfig, #"key "mtu": -1: want 68 to 65535"#),
      (#""mtu":1501"#, .invalidNetworkConfig, #"key "mtu": 1501: want 68 to 1500, the MTU of m0"#),
      (#""mtu":1279"#, .invalidNetworkConfig, #"key "mtu": 1279: want 1280 or more for IPv6"#),
      (#""gwPriority":100"#, .invalidNetworkConfig, #"key "gwPriority": 100: want -1000000 to 99"#),
      (#""master":"m9""#, .invalidNetworkConfig, #"key "master": "m9": no such link on the host"#),
      (
        #""master":"m0","linkInContainer":true"#, .invalidNetworkConfig,
        #"key "master": "m0": no such link in the container"#
      ),
      (
        #""runtimeConfig":{"mac":"02:00:00:00:00:01"}"#, .unsupportedField,
        "MAC address 02:00:00:00:00:01: an ipvlan link has the MAC address of its master: want none, or a macvlan network"
      ),
      (
        #""args":{"cni":{"mac":"02:00:00:00:00:02"}}"#, .unsupportedField,
        "MAC address 02:00:00:00:00:02: an ipvlan link has the MAC address of its master: want none, or a macvlan network"
      ),
    ] as [(String, CNIError.Code, String)])
  func `ipvlan refuses an invalid configuration and changes nothing`(keys: String, code: CNIError.Code, message: String)
    throws
  {
    try expect(Fixture(IPVLANDriver()), "{\(keys)}", code, message)
  }

  @Test func `ipvlan refuses a MAC address in CNI_ARGS`() throws {
    #expect(try Fixture(IPVLANDriver()).refusal("{}", arguments: "MAC=02:00:00:00:00:03")?.code == .unsupportedField)
  }

  @Test(arguments: [
    (#""vlanId":10"#, #"key "master" is missing: want the link that carries the VLAN"#),
    (#""master":"m0","vlanId":4095"#, #"key "vlanId": 4095: want 0 to 4094"#),
    (#""master":"m0","vlanId":-1"#, #"key "vlanId": -1: want 0 to 4094"#),
    (#""master":"m9","vlanId":10"#, #"key "master": "m9": no such link on the host"#),
    (
      #""master":"m0","vlanId":10,"linkInContainer":true"#, #"key "master": "m0": no such link in the container"#
    ),
    (#""master":"m0","vlanId":10,"mtu":67"#, #"key "mtu": 67: want 68 to 65535"#),
    (#""master":"m0","vlanId":10,"mtu":1501"#, #"key "mtu": 1501: want 68 to 1500, the MTU of m0"#),
    (#""master":"m0","vlanId":10,"mtu":1279"#, #"key "mtu": 1279: want 1280 or more for IPv6"#),
    (#""master":"m0","gwPriority":-1000001"#, #"key "gwPriority": -1000001: want -1000000 to 99"#),
    (
      #""master":"m0","runtimeConfig":{"mac":"01:00:5e:00:00:01"}"#,
      "MAC address 01:00:5e:00:00:01: want a unicast address"
    ),
  ])
  func `vlan refuses an invalid configuration and changes nothing`(keys: String, message: String) throws {
    try expect(Fixture(VLANDriver()), "{\(keys)}", .invalidNetworkConfig, message)
  }

  @Test(arguments: [
    ("{}", #"key "ipam" is missing: a dummy link is useless without addresses"#),
    (#"{"ipam":{}}"#, #"key "ipam" is missing: a dummy link is useless without addresses"#),
    (#"{"ipam":{"type":"x"},"gwPriority":100}"#, #"key "gwPriority": 100: want -1000000 to 99"#),
    (
      #"{"ipam":{"type":"x"},"runtimeConfig":{"mac":"00:00:00:00:00:00"}}"#,
      "MAC address 00:00:00:00:00:00: want a unicast address"
    ),
  ])
  func `dummy refuses an invalid configuration and changes nothing`(json: String, message: String) throws {
    try expect(Fixture(DummyDriver()), json, .invalidNetworkConfig, message)
  }

  @Test(arguments: [
    #""master":5"#, #""master":"a/b""#, #""mtu":"1400""#, #""linkInContainer":"yes""#, #""enabledad":1"#,
    #""gwPriority":"1""#, #""mode":2"#, #""flag":true"#,
  ])
  func `a value of the wrong type is named with its key`(keys: String) throws {
    let key = String(keys.dropFirst().prefix { $0 != "\"" })
    #expect {
      try Fixture(IPVLANDriver()).config("{\(keys)}")
    } throws: {
      let error = $0 as? CNIError
      return error?.code == .invalidNetworkConfig && error?.message.contains("\"\(key)\"") == true
    }
  }

  @Test(arguments: [#""vlanId":"10""#, #""vlanId":1.5"#, #""vlanId":[10]"#])
  func `a vlanId that is not a whole number is refused`(keys: String) throws {
    #expect {
      try Fixture(VLANDriver()).config("{\(keys)}")
    } throws: {
      ($0 as? CNIError)?.message.contains(#""vlanId""#) == true
    }
  }

  @Test func `ipvlan without the key master needs a default route`() throws {
    let fixture = Fixture(IPVLANDriver())
    fixture.kernel.uplink = nil
    try expect(
      fixture, "{}", .invalidNetworkConfig,
      #"key "master" is absent and there is no default route on the host: want the name of a link"#)
  }

  @Test(arguments: ["{}", #"{"mode":"l3"}"#])
  func `an interface name that exists in the container is refused before any change`(json: String) throws {
    let fixture = Fixture(IPVLANDriver())
    fixture.kernel.addLink("eth0", on: .container)
    #expect(try fixture.refusal(json)?.code == .alreadyAttached)
    #expect(fixture.kernel.applied == [])
    #expect(fixture.ipam.calls == [])
  }
}
