import CNI
import Kernel
import NetTypes
import PluginKit
import TestSupport
import Testing
@testable import bridge

@Suite struct BridgeLifeTests {
  let json = #"{"bridge":"br0","isGateway":true,"hairpinMode":true,"ipam":{"type":"fake"}}"#

  private func attached() throws -> (Fixture, AddResult) {
    let fixture = Fixture()
    return (fixture, try fixture.add(json))
  }

  @Test func `CHECK after ADD finds no difference and runs IPAM CHECK`() throws {
    let (fixture, result) = try attached()
    #expect(try fixture.complaint(json, result) == "")
    #expect(fixture.ipam.calls == [.add, .check])
  }

  @Test func `CHECK names every difference`() throws {
    let (fixture, result) = try attached()
    let host = fixture.owner.hostInterface
    fixture.kernel.state.links[.host]?["br0"]?.isUp = false
    fixture.kernel.state.links[.host]?[host]?.port?.hairpin = false
    fixture.kernel.state.links[.host]?[host]?.master = nil
    fixture.kernel.state.links[.container]?["eth0"]?.mac = "02:00:00:00:00:99"
    fixture.kernel.state.addresses.removeAll { $0.prefix == "10.1.0.5/24" || $0.prefix == "10.1.0.1/24" }
    fixture.kernel.state.sysctls[.host]?["net/ipv4/ip_forward"] = "0"
    let message = try fixture.complaint(json, result)
    for fragment in [
      "host link br0 has state up false, want true", "host address 10.1.0.1/24 is missing on br0",
      "host sysctl net/ipv4/ip_forward is 0, want 1", "host link \(host) has hairpin false, want true",
      "host link \(host) has master none, want br0", "container address 10.1.0.5/24 is missing on eth0",
      "container link eth0 has MAC 02:00:00:00:00:99",
    ] { #expect(message.contains(fragment)) }
  }

  @Test func `CHECK reports the IPAM plugin's error and the differences together`() throws {
    let (fixture, result) = try attached()
    fixture.kernel.state.addresses = []
    var call = try fixture.call(json, previous: result)
    call.delegates = Delegates(ipam: PluginType("fake")) { (_, _, _) throws(CNIError) in
      throw CNIError(.differences, "no lease")
    }
    #expect {
      try fixture.plugin.check(call)
    } throws: {
      let message = ($0 as? CNIError)?.message ?? ""
      return message.hasPrefix("no lease; ") && message.contains("10.1.0.5/24 is missing")
    }
  }

  @Test(arguments: [nil, "/run/netns/c1"])
  func `DEL removes the veth pair and the lease with or without the namespace, and can be repeated`(path: String?)
    throws
  {
    let (fixture, _) = try attached()
    for _ in 1...2 { try fixture.delete(path: path) }
    #expect(fixture.kernel.state.links[.host]?.keys.map(\.description) == ["br0"])
    #expect(fixture.kernel.state.links[.container]?.keys.map(\.description) == ["lo"])
    #expect(fixture.ipam.calls == [.add, .del, .del])
  }

  @Test func `DEL leaves another network's interface alone`() throws {
    let (fixture, _) = try attached()
    var other = fixture
    other.owner.network = "other"
    try other.delete()
    #expect(fixture.kernel.link("eth0", on: .container) != nil)
  }

  @Test func `DEL releases the lease even if the kernel refuses to remove the link`() throws {
    let (fixture, _) = try attached()
    fixture.kernel.changesBeforeRefusal = 0
    #expect(throws: CNIError.self) { try fixture.delete(path: nil) }
    #expect(fixture.ipam.calls == [.add, .del])
  }

  @Test func `GC keeps valid attachments, other networks and foreign links`() throws {
    let (fixture, _) = try attached()
    fixture.kernel.addLink("veth1234", on: .host, kind: "veth")
    var foreign = fixture.owner
    foreign.network = "other"
    fixture.kernel.addLink(foreign.hostInterface, on: .host, kind: "veth")
    fixture.kernel.state.links[.host]?[foreign.hostInterface]?.alias = foreign.tag
    try fixture.collectGarbage(json, keeping: [.example])
    #expect(fixture.kernel.link(fixture.owner.hostInterface, on: .host) != nil)
    let second = AttachmentID(network: "net", container: "c1", interface: "eth1")
    try fixture.collectGarbage(json, keeping: [second])
    #expect(fixture.kernel.link(fixture.owner.hostInterface, on: .host) == nil)
    #expect(fixture.kernel.link("veth1234", on: .host) != nil)
    #expect(fixture.kernel.link(foreign.hostInterface, on: .host) != nil)
    #expect(fixture.kernel.link("br0", on: .host) != nil)
    #expect(fixture.ipam.calls == [.add, .gc, .gc])
  }

  @Test func `GC without valid attachments removes our bridge if it is empty`() throws {
    let (fixture, _) = try attached()
    try fixture.collectGarbage(json)
    #expect(fixture.kernel.state.links[.host] == [:])
  }

  @Test func `GC without valid attachments removes the VLAN gateway link from a bridge of the host`() throws {
    let fixture = Fixture()
    fixture.kernel.addLink("br0", on: .host, kind: "bridge")
    let vlan = #"{"bridge":"br0","isGateway":true,"vlan":100}"#
    _ = try fixture.add(vlan)
    try fixture.collectGarbage(vlan)
    #expect(fixture.kernel.state.links[.host]?.keys.map(\.description) == ["br0"])
  }

  @Test func `STATUS reports a bridge name that another kind of link has`() throws {
    let fixture = Fixture()
    let network = try fixture.network(json)
    try fixture.plugin.status(network)
    fixture.kernel.addLink("br0", on: .host, kind: "veth")
    #expect(throws: CNIError(.notAvailable, "bridge \"br0\": the name is taken by a veth link")) {
      try fixture.plugin.status(network)
    }
    #expect(fixture.ipam.calls == [.status])
  }
}
