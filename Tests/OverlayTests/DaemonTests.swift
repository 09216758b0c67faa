import CNI
import Kernel
import NetTypes
import Overlay
import PacketFilter
import PluginKit
import TestSupport
import Testing

/// Neighbour entries of containers, which a routing daemon announces.
struct DaemonTests {
  @Test func `DEL removes the neighbours of another container whose port is gone`() throws {
    let first = Fixture()
    _ = try first.add(Fixture.evpn)
    let second = first.next()
    second.ipam.answer.ips = [.init(address: "10.1.0.6/24", gateway: "10.1.0.1")]
    _ = try second.add(Fixture.evpn)
    try first.kernel.apply(.deleteLink(first.owner.hostInterface, on: .host))
    #expect(first.kernel.state.neighbours.count == 3)
    let third = second.next("c3")
    try third.delete(Fixture.evpn, path: nil)
    #expect(
      first.kernel.state.neighbours == [
        NeighbourSpec("10.1.0.6", mac: MACAddress(forContainer: "10.1.0.6"), on: "ov-net", .host)
      ])
  }

  @Test func `DEL removes all else if the kernel refuses to list neighbours, and reports the refusal`() throws {
    let fixture = Fixture()
    let before = fixture.kernel.state
    _ = try fixture.add(Fixture.evpn)
    let neighbours = fixture.kernel.state.neighbours
    fixture.kernel.neighboursRefusal = KernelError("list neighbours", errno: .ENOMEM, reason: "Cannot allocate memory")
    let error = #expect(throws: CNIError.self) { try fixture.delete(Fixture.evpn, path: nil) }
    #expect(error?.message.contains("list neighbours: Cannot allocate memory") == true)
    #expect(fixture.kernel.link(fixture.owner.hostInterface, on: .host) == nil)
    #expect(try fixture.ruleSet == nil && fixture.ipam.calls.last == .del)
    #expect(fixture.kernel.state.neighbours == neighbours)
    // The runtime repeats DEL.
    fixture.kernel.neighboursRefusal = nil
    try fixture.delete(Fixture.evpn, path: nil)
    #expect(fixture.kernel.state.neighbours == before.neighbours)
  }

  @Test func `DEL removes the container's neighbours if the daemon has moved its MAC address to the tunnel`() throws {
    let fixture = Fixture()
    _ = try fixture.add(Fixture.evpn)
    let mac = MACAddress(forContainer: "10.1.0.5")
    try fixture.kernel.apply(.setFDB(FDBSpec(mac, on: "vx-net", in: .externallyLearned)))
    try fixture.delete(Fixture.evpn, path: nil)
    #expect(fixture.kernel.state.neighbours == [])
  }
}
