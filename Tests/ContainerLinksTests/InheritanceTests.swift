import CNI
import Kernel
import NetTypes
import PluginKit
import TestSupport
import Testing
@testable import ipvlan
@testable import vlan

/// The part of prevResult that an ipvlan link adopts from the plugin before it in the chain.
@Suite struct InheritanceTests {
  private let made = AddResult(
    interfaces: [.init(name: "m1", mac: "02:00:00:00:00:01")],
    ips: [.init(interface: 0, address: "10.2.0.9/24", gateway: "10.2.0.1")],
    routes: [Route(dst: "0.0.0.0/0")], dns: DNS(nameservers: ["10.2.0.1"]))

  private func fixture() throws -> Fixture<IPVLANDriver> {
    let fixture = Fixture(IPVLANDriver()) { (config, settings, previous) throws(CNIError) in
      try config.chainInput(settings, previous)
    }
    fixture.kernel.addLink("m1", on: .host, mtu: 1450)
    return fixture
  }

  @Test func `ipvlan without master and ipam uses link and addresses of prevResult and replaces it`() throws {
    let fixture = try fixture()
    let result = try fixture.add("{}", previous: made)
    #expect(fixture.link?.parentIndex == fixture.kernel.link("m1", on: .host)?.index)
    #expect(result.interfaces.map(\.name) == ["eth0"])
    #expect(result.interfaces.first?.mtu == 1450)
    #expect(result.ips == [.init(interface: 0, address: "10.2.0.9/24", gateway: "10.2.0.1")])
    #expect(result.routes == made.routes)
    #expect(result.dns == made.dns)
    #expect(fixture.ipam.calls == [])
    #expect(try fixture.complaint("{}", result) == "")
  }

  @Test func `ipvlan without master but with ipam uses only the link of prevResult`() throws {
    let fixture = try fixture()
    let result = try fixture.add(#"{"ipam":{"type":"fake"}}"#, previous: made)
    #expect(result.interfaces.map(\.name) == ["eth0"])
    #expect(result.ips.map(\.address) == ["10.1.0.5/24", "fd00:1::5/64"])
    #expect(fixture.ipam.calls == [.add])
  }

  @Test func `ipvlan with master but without ipam uses only the addresses of prevResult`() throws {
    let fixture = try fixture()
    let result = try fixture.add(#"{"master":"m0"}"#, previous: made)
    #expect(fixture.link?.parentIndex == fixture.master?.index)
    #expect(result.interfaces.map(\.name) == ["eth0"])
    #expect(result.ips.map(\.address) == ["10.2.0.9/24"])
  }

  @Test func `ipvlan with master and ipam is added to prevResult`() throws {
    let fixture = try fixture()
    let result = try fixture.add(#"{"master":"m0","ipam":{"type":"fake"}}"#, previous: made)
    #expect(result.interfaces.map(\.name) == ["m1", "eth0"])
    #expect(result.ips.map(\.interface) == [0, 1, 1])
  }

  @Test(arguments: [0, 2])
  func `ipvlan without master wants exactly one interface in prevResult`(count: Int) throws {
    let fixture = try fixture()
    var previous = made
    previous.interfaces = Array(repeating: .init(name: "m1"), count: count)
    #expect(
      try fixture.refusal("{}", previous: previous)
        == CNIError(
          .invalidNetworkConfig,
          "key \"master\" is absent, and prevResult has \(count) interfaces: want one, the master"))
    #expect(fixture.kernel.applied == [])
  }

  @Test func `a failed ADD keeps the lease of the plugin before it`() throws {
    let fixture = try fixture()
    fixture.kernel.changesBeforeRefusal = 2
    #expect(try fixture.refusal("{}", previous: made)?.code == .kernelRefused)
    #expect(fixture.link == nil)
  }

  @Test func `vlan uses neither link nor addresses of prevResult`() throws {
    let fixture = Fixture(VLANDriver())
    let result = try fixture.add(#"{"master":"m0","vlanId":5}"#, previous: made)
    #expect(result.interfaces.map(\.name) == ["m1", "eth0"])
    #expect(fixture.ipam.calls == [.add])
  }
}
