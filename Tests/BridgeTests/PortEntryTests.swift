import CNI
import Kernel
import NetTypes
import PluginKit
import TestSupport
import Testing
@testable import bridge

/// The forwarding entry of the container's MAC address on its bridge port.
@Suite struct PortEntryTests {
  @Test func `a port has learning off and a permanent FDB entry for the container's MAC address`() throws {
    let fixture = Fixture()
    _ = try fixture.add(#"{"ipam":{"type":"fake"},"runtimeConfig":{"mac":"02:00:00:00:00:01"}}"#)
    let port = fixture.owner.hostInterface
    #expect(fixture.kernel.link(port, on: .host)?.port?.learning == false)
    #expect(fixture.kernel.state.forwarding == [FDBSpec("02:00:00:00:00:01", on: port, in: .port)])
  }

  @Test func `macLearning turns learning on and adds no FDB entry`() throws {
    let fixture = Fixture()
    _ = try fixture.add(#"{"macLearning":true}"#)
    #expect(fixture.kernel.link(fixture.owner.hostInterface, on: .host)?.port?.learning == true)
    #expect(fixture.kernel.state.forwarding == [])
  }

  @Test func `CHECK wants an FDB entry for the container's current MAC address`() throws {
    let fixture = Fixture()
    let json = #"{"runtimeConfig":{"mac":"02:00:00:00:00:01"}}"#
    var result = try fixture.add(json)
    result.interfaces[2].mac = "02:00:00:00:00:02"
    let port = fixture.owner.hostInterface
    fixture.kernel.state.links[.container]?["eth0"]?.mac = "02:00:00:00:00:02"
    fixture.kernel.state.forwarding = [FDBSpec("02:00:00:00:00:02", on: port, in: .port)]
    try fixture.plugin.check(fixture.call(json, previous: result))
    // Kernels without sticky entries show the entry like this.
    fixture.kernel.state.forwarding = [FDBSpec("02:00:00:00:00:02", on: port, in: .master)]
    try fixture.plugin.check(fixture.call(json, previous: result))
    fixture.kernel.state.forwarding = []
    let message = "forwarding entry 02:00:00:00:00:02 is missing on \(port)"
    #expect { try fixture.plugin.check(fixture.call(json, previous: result)) } throws: { "\($0)".contains(message) }
  }
}
