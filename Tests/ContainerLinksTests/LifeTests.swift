import CNI
import Kernel
import NetTypes
import PluginKit
import TestSupport
import Testing
@testable import dummy
@testable import ipvlan
@testable import vlan

private let ipvlanJSON = #"{"master":"m0","mode":"l3","mtu":1400,"ipam":{"type":"fake"}}"#
private let vlanJSON = #"{"master":"m0","vlanId":10,"ipam":{"type":"fake"}}"#
private let dummyJSON = #"{"ipam":{"type":"fake"}}"#

@Suite struct LifeTests {
  /// Changes after ADD, and the text that CHECK must report for each.
  static let tamperings: [(@Sendable (FakeKernel) -> Void, String)] = [
    ({ $0.state.links[.container]?["eth0"] = nil }, "container link eth0 is missing"),
    ({ $0.state.links[.container]?["eth0"]?.kind = "veth" }, "container link eth0 is veth, want ipvlan"),
    (
      { $0.state.links[.container]?["eth0"]?.childKind = .ipvlan(IPVLAN(.l2)) },
      "container link eth0 is ipvlan l2 bridge, want ipvlan l3 bridge"
    ),
    (
      { $0.state.links[.container]?["eth0"]?.childKind = .ipvlan(IPVLAN(.l3, .private)) },
      "container link eth0 is ipvlan l3 private, want ipvlan l3 bridge"
    ),
    ({ $0.state.links[.container]?["eth0"]?.parentIndex = 99 }, "container link eth0 does not have the parent m0"),
    ({ $0.state.links[.container]?["eth0"]?.isUp = false }, "container link eth0 has state up false, want true"),
    (
      { $0.state.links[.container]?["eth0"]?.alias = "cni:other/c1/eth0" },
      "container link eth0 has alias cni:other/c1/eth0, want cni:net/c1/eth0"
    ),
    ({ $0.state.links[.container]?["eth0"]?.mtu = 1300 }, "container link eth0 has MTU 1300, want 1400"),
    (
      { $0.state.links[.container]?["eth0"]?.mac = "02:00:00:00:00:99" },
      "container link eth0 has MAC 02:00:00:00:00:99, want "
    ),
    ({ $0.state.links[.container]?["lo"]?.isUp = false }, "container link lo has state up false, want true"),
    (
      { $0.state.addresses.removeAll { $0.prefix == "10.1.0.5/24" } },
      "container address 10.1.0.5/24 is missing on eth0"
    ),
    (
      { $0.state.addresses.removeAll { $0.prefix == "fd00:1::5/64" } },
      "container address fd00:1::5/64 is missing on eth0"
    ),
    (
      { $0.state.routes.removeAll { $0.dst == "0.0.0.0/0" } },
      "container route 0.0.0.0/0 via 10.1.0.1 on eth0 is missing"
    ),
    ({ $0.state.routes.removeAll { $0.dst == "::/0" } }, "container route ::/0 via fd00:1::1 on eth0 is missing"),
  ]

  @Test(arguments: tamperings.indices)
  func `CHECK of an ipvlan link names each difference`(index: Int) throws {
    let fixture = Fixture(IPVLANDriver())
    let result = try fixture.add(ipvlanJSON)
    #expect(try fixture.complaint(ipvlanJSON, result) == "")
    Self.tamperings[index].0(fixture.kernel)
    let message = try fixture.complaint(ipvlanJSON, result)
    #expect(message.contains(Self.tamperings[index].1))
  }

  @Test func `CHECK reports the wrong VLAN of a vlan link and the wrong kind of a dummy link`() throws {
    let vlan = Fixture(VLANDriver()), dummy = Fixture(DummyDriver())
    let results = (try vlan.add(vlanJSON), try dummy.add(dummyJSON))
    #expect(try vlan.complaint(vlanJSON, results.0) == "" && dummy.complaint(dummyJSON, results.1) == "")
    vlan.kernel.state.links[.container]?["eth0"]?.childKind = .vlan(11)
    #expect(try vlan.complaint(vlanJSON, results.0).contains("container link eth0 is vlan 11, want vlan 10"))
    dummy.kernel.state.links[.container]?["eth0"]?.kind = "veth"
    #expect(try dummy.complaint(dummyJSON, results.1).contains("container link eth0 is veth, want dummy"))
  }

  @Test func `CHECK reports a missing master, and without the key reads the master from the link`() throws {
    let fixture = Fixture(IPVLANDriver())
    let result = try fixture.add("{}")
    fixture.kernel.addLink("m1", on: .host)
    fixture.kernel.uplink = "m1"
    #expect(try fixture.complaint("{}", result) == "")
    fixture.kernel.state.links[.host]?["m0"] = nil
    #expect(throws: CNIError(.invalidNetworkConfig, #"key "master": "m0": no such link on the host"#)) {
      try fixture.plugin.check(fixture.call(#"{"master":"m0"}"#, previous: result))
    }
  }

  private func sweep<Driver>(_ driver: Driver, _ json: String) throws
  where Driver: LinkDriver, Driver.Input == Driver.Config {
    let whole = Fixture(driver)
    try whole.add(json)
    for n in whole.kernel.applied.indices {
      let fixture = Fixture(driver)
      #expect(try fixture.expectRollback(json, refusing: n), "change \(n)")
      #expect(fixture.ipam.calls == [.add, .del], "change \(n)")
    }
    #expect((8...12).contains(whole.kernel.applied.count))
  }

  @Test func `ADD leaves host and container unchanged if any change is refused`() throws {
    try sweep(IPVLANDriver(), ipvlanJSON)
    try sweep(VLANDriver(), vlanJSON)
    try sweep(DummyDriver(), dummyJSON)
  }

  @Test func `ADD rolls back if the result cannot be written`() throws {
    let fixture = Fixture(VLANDriver())
    try fixture.expectRollbackWithoutReader(vlanJSON)
    #expect(fixture.ipam.calls == [.add, .del])
  }

  private func remove<Driver>(_ driver: Driver, _ json: String) throws
  where Driver: LinkDriver, Driver.Input == Driver.Config {
    let fixture = Fixture(driver)
    try fixture.add(json)
    fixture.kernel.state.links[.host]?["m0"] = nil
    for path in [nil, "/run/netns/c1", "/run/netns/c1"] { try fixture.delete(path: path) }
    #expect(fixture.link == nil)
    #expect(fixture.ipam.calls == [.add, .del, .del, .del])
    let changes = fixture.kernel.applied.filter { !$0.removesRules }
    #expect(changes.last == .deleteLink("eth0", on: .container))
  }

  @Test func `DEL needs no namespace, master or configuration and can be repeated`() throws {
    try remove(IPVLANDriver(), ipvlanJSON)
    try remove(VLANDriver(), vlanJSON)
    try remove(DummyDriver(), dummyJSON)
  }

  @Test func `DEL keeps a link of another network and a link of another kind`() throws {
    let fixture = Fixture(IPVLANDriver())
    try fixture.add(ipvlanJSON)
    var other = fixture
    other.owner.network = "other"
    try other.delete()
    #expect(fixture.link != nil)
    fixture.kernel.state.links[.container]?["eth0"]?.kind = "veth"
    try fixture.delete()
    #expect(fixture.link != nil)
  }

  @Test func `DEL removes a link that ADD left under its temporary name`() throws {
    let fixture = Fixture(IPVLANDriver())
    let temporaryName = fixture.owner.interface.temporaryName
    fixture.kernel.addLink(temporaryName, on: .container, kind: "veth")
    try fixture.delete()
    #expect(fixture.kernel.link(temporaryName, on: .container) != nil)
    fixture.kernel.state.links[.container]?[temporaryName]?.kind = "ipvlan"
    try fixture.delete()
    #expect(fixture.kernel.link(temporaryName, on: .container) == nil)
  }

  @Test func `DEL releases the lease even if the kernel refuses to remove the link`() throws {
    let fixture = Fixture(VLANDriver())
    try fixture.add(vlanJSON)
    fixture.kernel.changesBeforeRefusal = 0
    #expect(throws: CNIError.self) { try fixture.delete() }
    #expect(fixture.ipam.calls == [.add, .del])
  }
}
