import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import portmap

/// The changes of ADD, compared as whole values.
@Suite struct PlanTests {
  private func ruleSet(_ fixture: Fixture, _ rules: [Rule], backend: Backend = .nftables) -> Change {
    .addRules(RuleSet(fixture.owner, .ports, rules, backend: backend))
  }

  private func loopback(_ fixture: Fixture) -> [Change] {
    [.enableRouteLocalnet("br0", for: fixture.owner), .addLoopbackRoute("br0")]
  }

  @Test func `a port is published for each address family of the container`() throws {
    let fixture = Fixture()
    let changes = try fixture.changes(mappings(#"{"hostPort":8080,"containerPort":80}"#))
    #expect(
      changes == [
        ruleSet(
          fixture,
          [
            .publish(PublishedPort(.tcp, hostPort: 8080, to: "10.1.0.5", 80, masquerade: fixture.v4)),
            .publish(PublishedPort(.tcp, hostPort: 8080, to: "fd00:1::5", 80, masquerade: fixture.v6)),
          ])
      ] + loopback(fixture))
  }

  @Test(
    arguments: [
      ("192.0.2.1", "192.0.2.1", "10.1.0.5"), ("0.0.0.0", nil, "10.1.0.5"), ("::", nil, "fd00:1::5"),
      ("2001:db8::1", "2001:db8::1", "fd00:1::5"), ("127.0.0.1", "127.0.0.1", "10.1.0.5"),
    ] as [(String, IPAddress?, IPAddress)])
  func `hostIP chooses the address family`(written: String, bound: IPAddress?, target: IPAddress) throws {
    let fixture = Fixture()
    try fixture.add(mappings(#"{"hostPort":8080,"containerPort":80,"hostIP":""# + written + #""}"#))
    let path = target.family == .v4 ? fixture.v4 : fixture.v6
    #expect(
      fixture.ruleSets.first?.rules == [
        .publish(PublishedPort(.tcp, hostIP: bound, hostPort: 8080, to: target, 80, masquerade: path))
      ])
  }

  @Test func `UDP conntrack entries are deleted after the rules are added`() throws {
    let fixture = Fixture()
    let changes = try fixture.changes(
      mappings(
        #"{"hostPort":53,"containerPort":53,"protocol":"udp","hostIP":"192.0.2.1"},{"hostPort":80,"containerPort":80}"#)
    )
    #expect(changes.last == .deleteConntrackEntries([ConntrackFilter(.udp, .v4, to: "192.0.2.1", 53)]))
    #expect(changes.first?.description == "add packet filter rules of cni:net/c1/eth0")
  }

  @Test func `all keys are applied to the rules`() throws {
    let fixture = Fixture()
    let changes = try fixture.changes(
      mappings(
        #"{"hostPort":8080,"containerPort":80,"protocol":"sctp","hostIP":"0.0.0.0"}"#,
        #"""
        "masqAll":true,"markMasqBit":13,"conditionsV4":["-s","10.0.0.0/8"],"conditionsV6":["-s","fd00::/8"],
        "chain":"UCR-DEFAULT-BRIDGE","excludeDevices":["ucr-br0","eth9"]
        """#))
    var port = PublishedPort(
      .sctp, hostPort: 8080, to: "10.1.0.5", 80,
      masquerade: ReturnPath(subnet: "10.1.0.0/24", link: "br0", everything: true, marking: .bit(13)))
    port.conditions = ["-s", "10.0.0.0/8"]
    port.chain = "UCR-DEFAULT-BRIDGE"
    port.excludedDevices = ["ucr-br0", "eth9"]
    #expect(changes == [ruleSet(fixture, [.publish(port)], backend: .iptables), loopback(fixture)[0]])
  }

  @Test func `with snat false there is no masquerade rule and no sysctl change`() throws {
    let fixture = Fixture()
    let changes = try fixture.changes(
      mappings(#"{"hostPort":8080,"containerPort":80,"hostIP":"0.0.0.0"}"#, #""snat":false"#))
    #expect(changes == [ruleSet(fixture, [.publish(PublishedPort(.tcp, hostPort: 8080, to: "10.1.0.5", 80))])])
  }

  @Test(arguments: [
    "{}", #"{"runtimeConfig":{"portMappings":[]}}"#, #"{"snat":true,"capabilities":{"portMappings":true}}"#,
  ])
  func `without mappings prevResult is returned and nothing is changed`(json: String) throws {
    let fixture = Fixture()
    fixture.kernel.filter = FakeFilter(on: nil)
    #expect(try fixture.add(json) == fixture.previous)
    #expect(fixture.kernel.applied.isEmpty)
  }

  @Test func `a floating address is mapped and added to its device`() throws {
    let fixture = Fixture()
    let changes = try fixture.changes(
      #"{"floatingDevice":"up0","runtimeConfig":{"floatingIPs":["192.0.2.7","2001:db8::7"]}}"#)
    let floats = [
      FloatingAddress("192.0.2.7", to: "10.1.0.5", link: "br0", subnet: "10.1.0.0/24", device: "up0"),
      FloatingAddress("2001:db8::7", to: "fd00:1::5", link: "br0", subnet: "fd00:1::/64", device: "up0"),
    ]
    #expect(
      changes == [
        ruleSet(fixture, floats.map { .float($0) }),
        .addAddress(AddressSpec("192.0.2.7/32", on: "up0", .host, isSource: false, isAnnounced: true)),
        .addAddress(AddressSpec("2001:db8::7/128", on: "up0", .host, isSource: false, isAnnounced: true)),
        .deleteConntrackEntries([ConntrackFilter(all: "192.0.2.7"), ConntrackFilter(all: "2001:db8::7")]),
      ])
  }

  @Test func `DEL keeps a floating address that the host had before`() throws {
    let fixture = Fixture()
    try fixture.add(#"{"floatingDevice":"up0","runtimeConfig":{"floatingIPs":["192.0.2.1"]}}"#)
    #expect(
      fixture.ruleSets.first?.floats == [
        FloatingAddress("192.0.2.1", to: "10.1.0.5", link: "br0", subnet: "10.1.0.0/24")
      ])
    try fixture.delete("{}", path: nil)
    #expect(fixture.kernel.state.addresses.contains { $0.prefix == "192.0.2.1/24" })
  }

  @Test(arguments: [
    (#"{"hostPort":1,"containerPort":1,"hostIP":"fd00::1"}"#, "", "no IPv6 address"),
    (#"{"hostPort":1,"containerPort":1}"#, #","defaultHostIP":"fd00::1""#, "no IPv6 address"),
  ])
  func `a hostIP of an address family that the container lacks is refused`(json: String, more: String, fragment: String)
    throws
  {
    var fixture = Fixture()
    fixture.previous.ips.removeAll { $0.address.family == .v6 }
    let error = try fixture.refusal(mappings(json, String(more.dropFirst())))
    #expect(error?.code == .invalidNetworkConfig)
    #expect(error?.message.contains(fragment) == true)
    #expect(error?.message.contains("fd00::1") == true)
    #expect(fixture.kernel.applied.isEmpty)
  }

  @Test func `a container without addresses or without a route from the host is refused`() throws {
    var fixture = Fixture()
    fixture.kernel.state.addresses = []
    let json = mappings(#"{"hostPort":1,"containerPort":1}"#)
    #expect(try fixture.refusal(json)?.message.contains("the route to the container's address 10.1.0.5") == true)
    fixture.previous.ips = []
    #expect(try fixture.refusal(json)?.message.contains("has no address in prevResult") == true)
    #expect(fixture.kernel.applied.isEmpty)
  }

  @Test func `addresses without an interface index are the container's`() throws {
    var fixture = Fixture()
    fixture.previous = AddResult(ips: [.init(address: "10.1.0.9/24")])
    try fixture.add(mappings(#"{"hostPort":1,"containerPort":1}"#))
    #expect(fixture.ruleSets.first?.ports.map(\.target) == ["10.1.0.9"])
  }

  @Test func `ADD fails on a host without a packet filter`() throws {
    let fixture = Fixture()
    var filter = FakeFilter()
    filter.hostBackend = nil
    fixture.kernel.filter = filter
    #expect(
      try fixture.refusal(mappings(#"{"hostPort":1,"containerPort":1}"#))?.message.contains("this host has none")
        == true)
  }
}
