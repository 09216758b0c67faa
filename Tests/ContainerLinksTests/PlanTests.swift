import CNI
import Kernel
import NetTypes
import PluginKit
import TestSupport
import Testing
@testable import dummy
@testable import ipvlan
@testable import vlan

@Suite struct PlanTests {
  @Test(
    arguments: [
      ("", IPVLAN(.l2)), (#""mode":"","flag":"","#, IPVLAN(.l2)), (#""mode":"l3","#, IPVLAN(.l3)),
      (#""mode":"l3s","#, IPVLAN(.l3s)), (#""flag":"private","#, IPVLAN(.l2, .private)),
      (#""mode":"l3","flag":"vepa","#, IPVLAN(.l3, .vepa)), (#""flag":"bridge","#, IPVLAN(.l2, .bridge)),
    ])
  func `an ipvlan link has its mode and flag and the master's MAC address and MTU`(keys: String, wanted: IPVLAN) throws
  {
    let fixture = Fixture(IPVLANDriver())
    let result = try fixture.add(#"{\#(keys)"ipam":{"type":"fake"}}"#)
    #expect(fixture.link?.childKind == .ipvlan(wanted))
    #expect(fixture.link?.parentIndex == fixture.master?.index)
    #expect(
      result.interfaces == [
        .init(name: "eth0", mac: fixture.master?.mac?.description, mtu: 1500, sandbox: "/run/netns/c1")
      ])
    #expect(result.ips.map(\.interface) == [0, 0])
    #expect(try fixture.complaint(#"{\#(keys)"ipam":{"type":"fake"}}"#, result) == "")
  }

  @Test func `ipvlan adds addresses before the link is up, and routes after`() throws {
    let fixture = Fixture(IPVLANDriver())
    try fixture.add("{}")
    #expect(
      fixture.kernel.applied.map(\.description) == [
        "create ipvlan l2 bridge over m0 as eth0 in the container", "set lo up in the container",
        "set sysctl net/ipv6/conf/eth0/accept_ra=0 net/ipv4/conf/eth0/arp_notify=1 net/ipv6/conf/eth0/accept_dad=0 "
          + "net/ipv6/conf/lo/disable_ipv6=0 net/ipv6/conf/eth0/disable_ipv6=0 net/ipv6/conf/eth0/ndisc_notify=1 "
          + "net/ipv6/conf/eth0/keep_addr_on_down=1 in the container",
        "add address 10.1.0.5/24 on eth0 in the container", "add address fd00:1::5/64 on eth0 in the container",
        "set eth0 up, alias cni:net/c1/eth0 in the container",
        "wait for duplicate address detection on eth0 in the container",
        "add route 0.0.0.0/0 via 10.1.0.1 on eth0 in the container",
        "add route ::/0 via fd00:1::1 on eth0 in the container",
      ])
  }

  @Test func `a vlan link comes up first, and its addresses are announced`() throws {
    let fixture = Fixture(VLANDriver())
    let result = try fixture.add(#"{"master":"m0","vlanId":10}"#)
    let mac = try #require(fixture.master?.mac)
    #expect(fixture.kernel.applied.first?.description == "create vlan 10 over m0 as eth0 in the container")
    #expect(fixture.kernel.applied.verbs == ["create", "set", "set", "set", "add", "add", "add", "add", "announce"])
    #expect(fixture.kernel.applied.last == .announce(["10.1.0.5", "fd00:1::5"], mac: mac, on: "eth0"))
    #expect(result.interfaces.first?.mac == mac.description)
  }

  @Test(
    arguments: [("", 0), (#","vlanId":0"#, 0), (#","vlanId":1"#, 1), (#","vlanId":4094"#, 4094)])
  func `vlanId may be 0 to 4094`(key: String, id: Int) throws {
    let fixture = Fixture(VLANDriver())
    try fixture.add(#"{"master":"m0"\#(key)}"#)
    #expect(fixture.link?.childKind == .vlan(id))
  }

  @Test(
    arguments: [
      (#""args":{"cni":{"mac":"02:00:00:00:00:02"}},"#, "MAC=02:00:00:00:00:01", "02:00:00:00:00:02"),
      (#""runtimeConfig":{"mac":"02:00:00:00:00:03"},"#, "MAC=02:00:00:00:00:01", "02:00:00:00:00:03"),
      ("", "MAC=02:00:00:00:00:01", "02:00:00:00:00:01"),
    ] as [(String, String, MACAddress)])
  func `vlan and dummy links have the requested MAC address`(keys: String, args: String, mac: MACAddress) throws {
    let vlan = Fixture(VLANDriver())
    let result = try vlan.add(#"{\#(keys)"master":"m0"}"#, arguments: args)
    #expect(vlan.link?.mac == mac && result.interfaces.first?.mac == mac.description)
    let dummy = Fixture(DummyDriver())
    try dummy.add(#"{\#(keys)"ipam":{"type":"fake"}}"#, arguments: args)
    #expect(dummy.link?.mac == mac)
  }

  @Test(arguments: [("", 1500), (#","mtu":0"#, 1500), (#","mtu":1300"#, 1300), (#","mtu":1500"#, 1500)])
  func `the MTU comes from the key or from the master`(key: String, mtu: Int) throws {
    let ipvlan = Fixture(IPVLANDriver()), vlan = Fixture(VLANDriver())
    #expect(try ipvlan.add(#"{"master":"m0"\#(key)}"#).interfaces.first?.mtu == mtu)
    #expect(try vlan.add(#"{"master":"m0"\#(key)}"#).interfaces.first?.mtu == mtu)
    #expect([ipvlan.link?.mtu, vlan.link?.mtu] == [mtu, mtu])
  }

  @Test func `an MTU of 68 is accepted for IPv4`() throws {
    let fixture = Fixture(IPVLANDriver())
    fixture.ipam.answer = AddResult(ips: [.init(address: "10.1.0.5/24")])
    try fixture.add(#"{"mtu":68}"#)
    #expect(fixture.link?.mtu == 68)
  }

  @Test func `the master can be in the container`() throws {
    let ipvlan = Fixture(IPVLANDriver()), vlan = Fixture(VLANDriver())
    ipvlan.kernel.addLink("net1", on: .container, mtu: 1400)
    vlan.kernel.addLink("net1", on: .container, mtu: 1400)
    try ipvlan.add(#"{"master":"net1","linkInContainer":true}"#)
    try vlan.add(#"{"master":"net1","linkInContainer":true,"vlanId":7}"#)
    for link in [ipvlan.link, vlan.link] {
      #expect(link?.mtu == 1400)
      #expect(link?.parentIndex == ipvlan.kernel.link("net1", on: .container)?.index)
    }
  }

  @Test func `enabledad keeps duplicate address detection on and waits for it`() throws {
    let ipvlan = Fixture(IPVLANDriver()), vlan = Fixture(VLANDriver())
    try ipvlan.add(#"{"enabledad":true}"#)
    try vlan.add(#"{"enabledad":true,"master":"m0"}"#)
    for kernel in [ipvlan.kernel, vlan.kernel] {
      #expect(kernel.state.sysctls[.container]?["net/ipv6/conf/eth0/accept_dad"] == "1")
      #expect(kernel.applied.contains(.awaitDAD("eth0")))
      #expect(kernel.state.addresses.filter { $0.interface == "eth0" }.allSatisfy { !$0.skipsDAD })
    }
  }

  @Test func `gwPriority sets the metric of default routes`() throws {
    let ipvlan = Fixture(IPVLANDriver()), dummy = Fixture(DummyDriver())
    try ipvlan.add(#"{"gwPriority":7}"#)
    try dummy.add(#"{"gwPriority":7,"ipam":{"type":"fake"}}"#)
    #expect(ipvlan.kernel.state.routes.map(\.priority) == [93, 93])
    #expect(dummy.kernel.state.routes.map(\.priority) == [93, 93])
  }

  @Test func `without IPAM the container gets an interface without addresses`() throws {
    let fixture = Fixture(VLANDriver())
    fixture.ipam.answer = AddResult()
    #expect(try fixture.add(#"{"master":"m0","vlanId":5}"#).ips == [])
    #expect(fixture.kernel.applied.verbs == ["create", "set", "set"])
    #expect(fixture.link?.isUp == true)
  }

  @Test func `a dummy link sends no announcements`() throws {
    let fixture = Fixture(DummyDriver())
    let result = try fixture.add(#"{"ipam":{"type":"fake"}}"#)
    #expect(fixture.kernel.applied.verbs == ["create", "set", "set", "set", "add", "add", "add", "add"])
    #expect(fixture.link?.kind == "dummy" && fixture.link?.isUp == true)
    #expect(result.interfaces == [.init(name: "eth0", mac: fixture.link?.mac?.description, sandbox: "/run/netns/c1")])
    #expect(try fixture.complaint(#"{"ipam":{"type":"fake"}}"#, result) == "")
  }

  @Test func `DNS settings come from the configuration, else from IPAM`() throws {
    let fixture = Fixture(IPVLANDriver())
    fixture.ipam.answer.dns = DNS(nameservers: ["10.1.0.1"])
    #expect(try fixture.add("{}").dns.nameservers == ["10.1.0.1"])
    try fixture.delete()
    #expect(try fixture.add(#"{"dns":{"nameservers":["192.0.2.1"]}}"#).dns.nameservers == ["192.0.2.1"])
  }
}
