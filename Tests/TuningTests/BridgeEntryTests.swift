import Kernel
import NetTypes
import TestSupport
import Testing
@testable import tuning

/// Changes of the container's MAC address on a bridge port without learning.
@Suite struct BridgeEntryTests {
  private static let old: MACAddress = "02:00:00:00:00:01", new: MACAddress = "02:00:00:00:00:09"
  private static let keys = #"{"mac": "02:00:00:00:00:09"}"#

  private func connect(_ fixture: Fixture, learning: Bool) throws {
    fixture.kernel.addLink("br0", on: .host, kind: "bridge")
    fixture.kernel.addLink("veth1", on: .host, kind: "veth")
    let outside = fixture.kernel.link("veth1", on: .host)?.index
    let inside = try #require(fixture.kernel.link("eth0", on: .container)?.index)
    fixture.kernel.state.links[.container]?["eth0"]?.peerIndex = outside
    fixture.kernel.state.links[.host]?["veth1"]?.peerIndex = inside
    fixture.kernel.state.links[.host]?["veth1"]?.port = BridgePort(learning: learning)
    fixture.kernel.state.forwarding = [FDBSpec(Self.old, on: "veth1", in: .port)]
  }

  @Test func `the bridge's FDB entry follows the MAC address on ADD and DEL`() throws {
    try Fixture.use { (fixture) throws in
      try connect(fixture, learning: false)
      try fixture.add(Self.keys)
      #expect(fixture.kernel.state.forwarding == [FDBSpec(Self.new, on: "veth1", in: .port)])
      try fixture.delete(Self.keys)
      #expect(fixture.kernel.link("eth0", on: .container)?.mac == Self.old)
      #expect(fixture.kernel.state.forwarding == [FDBSpec(Self.old, on: "veth1", in: .port)])
    }
  }

  @Test func `the FDB entry of a learning port is not changed`() throws {
    try Fixture.use { (fixture) throws in
      try connect(fixture, learning: true)
      try fixture.add(Self.keys)
      #expect(fixture.kernel.state.forwarding == [FDBSpec(Self.old, on: "veth1", in: .port)])
    }
  }

  @Test(arguments: 0...2)
  func `a failed ADD keeps the FDB entry`(failing: Int) throws {
    try Fixture.use { (fixture) throws in
      try connect(fixture, learning: false)
      fixture.kernel.changesBeforeRefusal = failing
      #expect(throws: (any Error).self) { try fixture.add(Self.keys) }
      #expect(fixture.kernel.link("eth0", on: .container)?.mac == Self.old)
      #expect(fixture.kernel.state.forwarding == [FDBSpec(Self.old, on: "veth1", in: .port)])
    }
  }
}
