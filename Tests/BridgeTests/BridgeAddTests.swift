import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import bridge

@Suite struct BridgeAddTests {
  static let everything = """
    {"bridge":"br0","isDefaultGateway":true,"hairpinMode":true,"portIsolation":true,"enabledad":true,"ipMasq":true,"isolation":"network",
    "ipam":{"type":"fake"}}
    """

  @Test func `ADD makes the bridge, the veth pair, addresses and routes`() throws {
    let fixture = Fixture()
    let result = try fixture.add(Self.everything)
    let host = fixture.owner.hostInterface
    #expect(fixture.kernel.state.links[.host]?.keys.sorted { "\($0)" < "\($1)" } == ["br0", host])
    #expect(fixture.kernel.link(host, on: .host)?.alias == "cni:net/c1/eth0")
    #expect(fixture.kernel.link(host, on: .host)?.port?.hairpin == true)
    #expect(fixture.kernel.link(host, on: .host)?.port?.isolated == true)
    #expect(fixture.kernel.link("lo", on: .container)?.isUp == true)
    #expect(try fixture.kernel.addresses(of: "br0", on: .host) == ["10.1.0.1/24", "fd00:1::1/64"])
    #expect(try fixture.kernel.addresses(of: "eth0", on: .container) == ["10.1.0.5/24", "fd00:1::5/64"])
    #expect(fixture.kernel.state.routes.map(\.dst) == ["0.0.0.0/0", "::/0"])
    #expect(fixture.kernel.state.sysctls[.host]?["net/ipv4/ip_forward"] == "1")
    #expect(fixture.kernel.state.sysctls[.host]?["net/ipv6/conf/all/forwarding"] == "1")
    #expect(result.interfaces.map(\.name) == ["br0", host.description, "eth0"])
    #expect(result.interfaces[2].mac == fixture.kernel.link("eth0", on: .container)?.mac?.description)
    #expect(result.ips.map(\.interface) == [2, 2])
    #expect(result.routes == [Route(dst: "0.0.0.0/0", gw: "10.1.0.1"), Route(dst: "::/0", gw: "fd00:1::1")])
  }

  @Test func `a second ADD changes nothing on the bridge and takes only the shared host lock`() throws {
    let first = Fixture()
    _ = try first.add(Self.everything)
    var second = first
    second.owner.container = "c2"
    second.kernel.state.links[.container] = ["lo": try #require(first.kernel.link("lo", on: .container))]
    let before = second.kernel.applied.count
    _ = try second.add(Self.everything)
    #expect(second.kernel.locks == [false, true, false])
    let changes = second.kernel.applied.dropFirst(before).drop { if case .addRules = $0 { true } else { false } }
    #expect(
      changes.first.map { if case .createLink(let spec) = $0 { spec.name } else { "none" } }
        == second.owner.hostInterface)
  }

  /// The kernel refuses each change of an ADD with all features once.
  @Test(arguments: 0..<40)
  func `ADD leaves everything unchanged if change n is refused`(n: Int) throws {
    let fixture = Fixture()
    if try fixture.expectRollback(Self.everything, refusing: n) { #expect(fixture.ipam.calls == [.add, .del]) }
  }

  @Test func `the fault sweep covers all changes of ADD`() throws {
    let fixture = Fixture()
    _ = try fixture.add(Self.everything)
    #expect((10..<40).contains(fixture.kernel.applied.count))
  }

  @Test func `ADD rolls back if the result cannot be written`() throws {
    let fixture = Fixture()
    try fixture.expectRollbackWithoutReader(Self.everything)
    #expect(fixture.ipam.calls == [.add, .del])
  }

  @Test func `ADD refuses an interface name that exists in the container and changes nothing`() throws {
    let fixture = Fixture()
    fixture.kernel.addLink("eth0", on: .container)
    #expect {
      try fixture.add(Self.everything)
    } throws: {
      ($0 as? CNIError)?.code == .alreadyAttached
    }
    #expect(fixture.ipam.calls == [])
    #expect(fixture.kernel.applied == [])
  }

  @Test func `the result lists the interfaces and addresses of prevResult first`() throws {
    let previous = AddResult(interfaces: [.init(name: "dummy0")], ips: [.init(interface: 0, address: "192.0.2.1/24")])
    let result = try Fixture().add(Self.everything, previous: previous)
    #expect(result.interfaces.count == 4)
    #expect(result.ips.map(\.interface) == [0, 3, 3])
  }

  @Test func `without IPAM the container gets an interface without addresses`() throws {
    let fixture = Fixture()
    fixture.ipam.answer = AddResult()
    let result = try fixture.add(#"{"bridge":"br0"}"#)
    #expect(result.ips == [])
    #expect(fixture.kernel.link("eth0", on: .container)?.isUp == true)
    #expect(fixture.kernel.state.addresses.map(\.interface) == ["lo"])
  }

  @Test func `disableContainerInterface leaves the container interface down`() throws {
    let fixture = Fixture()
    fixture.ipam.answer = AddResult()
    _ = try fixture.add(#"{"bridge":"br0","disableContainerInterface":true}"#)
    #expect(fixture.kernel.link("eth0", on: .container)?.isUp == false)
  }
}

@Suite struct BridgeHostTests {
  @Test func `ADD sets accept_ra to 2 on links with advertised routes before it enables forwarding`() throws {
    let fixture = Fixture()
    fixture.kernel.advertisedLinks = ["up0", "up1"]
    fixture.kernel.state.sysctls[.host]?["net/ipv6/conf/up0/accept_ra"] = "1"
    fixture.kernel.state.sysctls[.host]?["net/ipv6/conf/up1/accept_ra"] = "0"
    let before = fixture.kernel.state
    _ = try fixture.add(#"{"isGateway":true}"#)
    let settings = fixture.kernel.applied.compactMap { change -> [String]? in
      if case .setSysctls(let settings, on: .host) = change { settings.map { "\($0.key)=\($0.value)" } } else { nil }
    }
    #expect(
      settings.filter { !$0[0].contains("disable_ipv6") }.prefix(3) == [
        ["net/ipv6/conf/cni0/accept_ra=0"], ["net/ipv6/conf/up0/accept_ra=2"],
        ["net/ipv4/ip_forward=1", "net/ipv6/conf/all/forwarding=1"],
      ])
    let changes = fixture.kernel.applied.count
    for refused in 0..<changes {
      fixture.kernel.state = before
      fixture.kernel.changesBeforeRefusal = refused
      #expect(throws: CNIError.self) { try fixture.add(#"{"isGateway":true}"#) }
      #expect(fixture.kernel.state.sysctls[.host] == before.sysctls[.host])
    }
  }

  @Test(arguments: [(nil, true), (false, true), (true, false)] as [(Bool?, Bool)])
  func `ADD fixes the MAC address of an existing bridge before it attaches the first port`(
    isSet: Bool?, isPinned: Bool
  ) throws {
    let fixture = Fixture()
    fixture.kernel.addLink("cni0", on: .host, kind: "bridge")
    fixture.kernel.state.links[.host]?["cni0"]?.keepsMAC = isSet
    let mac = fixture.kernel.link("cni0", on: .host)?.mac
    let result = try fixture.add("{}")
    let pinned = fixture.kernel.applied.firstIndex { change in
      if case .changeLink("cni0", on: .host, let wanted) = change { wanted.mac == mac } else { false }
    }
    let attached = fixture.kernel.applied.firstIndex { change in
      if case .changeLink(_, on: .host, let wanted) = change { wanted.master == "cni0" } else { false }
    }
    #expect((pinned != nil) == isPinned)
    #expect((pinned ?? 0) < (attached ?? 0))
    try fixture.plugin.check(fixture.call("{}", previous: result))
  }

  @Test func `forceAddress keeps the gateway of the network's other subnet`() throws {
    let fixture = Fixture()
    let json = #"""
      {"isGateway":true,"forceAddress":true,"ipam":{"type":"fake","ranges":[
        [{"subnet":"10.1.0.0/24"},{"subnet":"10.2.0.0/24"}],[{"subnet":"fd00:1::/64"}]]}}
      """#
    fixture.kernel.addLink("cni0", on: .host, kind: "bridge")
    fixture.kernel.state.links[.host]?["cni0"]?.alias = "cni:net/"
    let before = ["10.2.0.1/24", "10.3.0.1/24", "10.1.0.9/24"].compactMap(IPPrefix.init)
    fixture.kernel.state.addresses = before.map { AddressSpec($0, on: "cni0", .host) }
    _ = try fixture.add(json)
    #expect(try fixture.kernel.addresses(of: "cni0", on: .host) == ["10.2.0.1/24", "10.1.0.1/24", "fd00:1::1/64"])
  }

  @Test func `a gateway outside the subnet is a host address on the bridge, with a route to the subnet`() throws {
    let fixture = Fixture()
    fixture.ipam.answer.ips = [
      .init(address: "10.1.0.5/24", gateway: "10.9.0.1"), .init(address: "fd00:1::5/64", gateway: "fe80::1"),
    ]
    let result = try fixture.add(#"{"isDefaultGateway":true}"#)
    #expect(try fixture.kernel.addresses(of: "cni0", on: .host) == ["10.9.0.1/32", "fe80::1/128"])
    #expect(try fixture.kernel.routes(of: "cni0", on: .host).map(\.dst) == ["10.1.0.0/24", "fd00:1::/64"])
    #expect(try fixture.kernel.routes(of: "eth0", on: .container).map(\.dst).contains("10.9.0.1/32"))
    try fixture.plugin.check(fixture.call(#"{"isDefaultGateway":true}"#, previous: result))
    fixture.kernel.state.routes.removeAll { $0.dst == "10.1.0.0/24" }
    #expect {
      try fixture.plugin.check(fixture.call(#"{"isDefaultGateway":true}"#, previous: result))
    } throws: { ($0 as? CNIError)?.message.contains("host route 10.1.0.0/24 on cni0 is missing") == true }
  }
}
