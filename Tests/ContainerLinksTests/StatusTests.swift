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
  @Test func `STATUS succeeds if ADD can succeed, changes nothing and runs IPAM STATUS`() throws {
    let fixture = Fixture(IPVLANDriver())
    #expect(try fixture.obstacle(#"{"master":"m0"}"#) == nil)
    #expect(fixture.kernel.applied == [])
    #expect(fixture.ipam.calls == [.status])
  }

  @Test func `STATUS reports a missing master`() throws {
    let fixture = Fixture(IPVLANDriver())
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
  func `STATUS of ipvlan reports a master that is down only with enabledad`(keys: String, fragment: String?) throws {
    let fixture = Fixture(IPVLANDriver())
    fixture.kernel.state.links[.host]?["m0"]?.isUp = false
    #expect(try fixture.obstacle(#"{"master":"m0"\#(keys)}"#) == fragment.map { CNIError(.notAvailable, $0) })
  }

  @Test func `STATUS reports a master that is down`() throws {
    let fixture = Fixture(VLANDriver())
    fixture.kernel.state.links[.host]?["m0"]?.isUp = false
    #expect(
      try fixture.obstacle(#"{"master":"m0","vlanId":3}"#) == CNIError(.notAvailable, "master m0 is down"))
  }

  @Test func `STATUS reports the kernel's error from a trial link`() throws {
    let refusal = KernelError("create it", errno: .EBUSY, reason: "Device or resource busy")
    let ipvlan = Fixture(IPVLANDriver()), dummy = Fixture(DummyDriver())
    ipvlan.kernel.trialError = refusal
    dummy.kernel.trialError = refusal
    let wanted = CNIError(.notAvailable, "create it: Device or resource busy")
    #expect(try ipvlan.obstacle("{}") == wanted)
    #expect(try dummy.obstacle(#"{"ipam":{"type":"fake"}}"#) == wanted)
  }

  @Test func `STATUS does not look for a master that is in the container`() throws {
    let fixture = Fixture(IPVLANDriver())
    #expect(try fixture.obstacle(#"{"master":"m9","linkInContainer":true}"#) == nil)
  }

  @Test func `GC removes nothing on the host and runs IPAM GC`() throws {
    let fixture = Fixture(IPVLANDriver())
    try fixture.add("{}")
    try fixture.plugin.collectGarbage(fixture.network("{}"), valid: [])
    #expect(fixture.link != nil && fixture.master != nil)
    #expect(fixture.ipam.calls == [.add, .gc])
  }
}
