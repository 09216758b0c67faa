import CNI
import Kernel
import NetTypes
import PluginKit
import TestSupport
import Testing
@testable import dummy
@testable import ipvlan
@testable import vlan

@Suite struct StatusTests {
  @Test func `says nothing where an ADD could succeed, changes nothing and asks IPAM`() throws {
    let fixture = try Fixture(IPVLANDriver())
    #expect(try fixture.obstacle(#"{"master":"m0"}"#) == nil)
    #expect(fixture.kernel.applied == [])
    #expect(fixture.ipam.calls == [.status])
  }

  @Test func `a master that is not there is an obstacle`() throws {
    let fixture = try Fixture(IPVLANDriver())
    #expect(
      try fixture.obstacle(#"{"master":"m9"}"#)
        == CNIError(.notAvailable, #"key "master": "m9": no such link on the host"#))
    fixture.kernel.uplink = nil
    #expect(
      try fixture.obstacle("{}")
        == CNIError(
          .notAvailable, #"key "master" is absent and there is no default route on the host: want the name of a link"#))
  }

  @Test(
    arguments: [
      ("", nil), (#","ipam":{"type":"fake","subnet":"fd00::/64"}"#, nil), (#","enabledad":true"#, nil),
      (#","enabledad":true,"ipam":{"type":"fake","subnet":"10.1.0.0/24"}"#, nil),
      (#","enabledad":true,"ipam":{"type":"fake","ranges":[[{"subnet":"fd00::/64"}]]}"#, "master m0 is down"),
    ] as [(String, String?)])
  func `an ipvlan link needs its master up only to look for duplicates`(keys: String, words: String?) throws {
    let fixture = try Fixture(IPVLANDriver())
    fixture.kernel.state.links[.host]?["m0"]?.isUp = false
    #expect(try fixture.obstacle(#"{"master":"m0"\#(keys)}"#) == words.map { CNIError(.notAvailable, $0) })
  }

  @Test func `a master that is down is an obstacle`() throws {
    let fixture = try Fixture(VLANDriver())
    fixture.kernel.state.links[.host]?["m0"]?.isUp = false
    #expect(
      try fixture.obstacle(#"{"master":"m0","vlanId":3}"#) == CNIError(.notAvailable, "master m0 is down"))
  }

  @Test func `what the kernel says to a trial is an obstacle`() throws {
    let refusal = KernelError("create it", errno: .EBUSY, reason: "Device or resource busy")
    let ipvlan = try Fixture(IPVLANDriver()), dummy = try Fixture(DummyDriver())
    ipvlan.kernel.trialError = refusal
    dummy.kernel.trialError = refusal
    let wanted = CNIError(.notAvailable, "create it: Device or resource busy")
    #expect(try ipvlan.obstacle("{}") == wanted)
    #expect(try dummy.obstacle(#"{"ipam":{"type":"fake"}}"#) == wanted)
  }

  @Test func `a master in the container is none of the host's`() throws {
    let fixture = try Fixture(IPVLANDriver())
    #expect(try fixture.obstacle(#"{"master":"m9","linkInContainer":true}"#) == nil)
  }

  @Test func `GC removes nothing on the host and is passed on`() throws {
    let fixture = try Fixture(IPVLANDriver())
    try fixture.add("{}")
    try fixture.plugin.collectGarbage(fixture.network("{}"), valid: [])
    #expect(fixture.link != nil && fixture.master != nil)
    #expect(fixture.ipam.calls == [.add, .gc])
  }
}
