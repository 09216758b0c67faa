import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import ptp

@Suite struct PlanTests {
  /// The plan for `keys`, with hardware addresses 02:..:01 outside and 02:..:02 inside.
  private func plan(_ fixture: Fixture, _ keys: String = "") throws -> AttachmentPlan {
    var hostState = PTPHostState(uplinkMTU: 1400)
    (hostState.peerMAC, hostState.containerMAC) = ("02:00:00:00:00:01", "02:00:00:00:00:02")
    let call = try fixture.call(keys)
    return try PTPDriver().plan(
      PTPDriver().settings(call.config, call.keys, call.arguments()), hostState, owner: call.owner,
      namespacePath: call.namespacePath, addresses: fixture.ipam.answer)
  }

  private func route(
    _ dst: IPPrefix, via gateway: IPAddress? = nil, from source: IPAddress? = nil, _ name: InterfaceName, _ netns: NetNS
  ) -> Change {
    var spec = RouteSpec(dst, via: gateway, on: name, netns)
    spec.source = source
    return .addRoute(spec)
  }

  private func pair(_ outside: InterfaceName, mtu: Int) -> Change {
    .createLink(
      LinkSpec(
        outside, kind: .veth(peer: .init(name: "eth0", mac: "02:00:00:00:00:02")), mac: "02:00:00:00:00:01", mtu: mtu,
        group: Isolation.pairGroup))
  }

  private let up = LinkChange(isUp: true, alias: "cni:net/c1/eth0")
  private let outsideUp = LinkChange(isUp: true, alias: "cni:net/c1/eth0", group: Isolation.pairGroup)

  @Test func `the plan of a dual-stack container has the host as router`() throws {
    let fixture = Fixture()
    let host = fixture.owner.hostInterface
    let plan = try plan(fixture)
    #expect(
      plan.shared == [
        .setSysctls([Sysctl("net/ipv4/ip_forward", "1"), Sysctl("net/ipv6/conf/all/forwarding", "1")], on: .host)
      ])
    #expect(plan.own.first == pair(host, mtu: 1400))
    #expect(
      plan.own.filter { if case .setSysctls = $0 { false } else { true } } == [
        pair(host, mtu: 1400),
        .changeLink(host, on: .host, outsideUp),
        .changeLink("lo", on: .container, LinkChange(isUp: true)),
        .changeLink("eth0", on: .container, up),
        .awaitRunning(host),
        .addAddress(AddressSpec("10.1.0.1/32", on: host, .host, addsSubnetRoute: false)),
        .addAddress(AddressSpec("fd00:1::1/128", on: host, .host, addsSubnetRoute: false)),
        route("10.1.0.5/32", host, .host), route("fd00:1::5/128", host, .host),
        .addAddress(AddressSpec("10.1.0.5/24", on: "eth0", .container, addsSubnetRoute: false)),
        .addAddress(AddressSpec("fd00:1::5/64", on: "eth0", .container, addsSubnetRoute: false)),
        route("10.1.0.1/32", from: "10.1.0.5", "eth0", .container),
        route("fd00:1::1/128", from: "fd00:1::5", "eth0", .container),
        route("10.1.0.0/24", via: "10.1.0.1", from: "10.1.0.5", "eth0", .container),
        route("fd00:1::/64", via: "fd00:1::1", from: "fd00:1::5", "eth0", .container),
        route("0.0.0.0/0", via: "10.1.0.1", "eth0", .container),
      ])
  }

  @Test(arguments: [(true, "0", false), (false, "1", true)])
  func `the host's end has IPv6 only if the container has`(hasIPv6: Bool, value: String, isOptional: Bool) throws {
    let fixture = Fixture()
    if !hasIPv6 { fixture.ipam.answer.ips.removeLast() }
    let host = fixture.owner.hostInterface
    #expect(
      try plan(fixture).own[1]
        == .setSysctls(
          [
            .conf(.v6, host, "accept_ra", "0", isOptional: true), .conf(.v6, host, "accept_dad", "0", isOptional: true),
            .conf(.v6, host, "disable_ipv6", value, isOptional: isOptional),
          ], on: .host))
  }

  @Test func `a link between two containers has only their addresses and routes`() throws {
    let fixture = Fixture()
    fixture.ipam.answer = AddResult(ips: [.init(address: "10.1.1.1/32", gateway: "10.1.1.2")])
    let plan = try plan(fixture, #""peer":"b","peerIfName":"b0","mtu":1300"#)
    #expect(plan.shared == [])
    #expect(
      plan.own.filter { if case .setSysctls = $0 { false } else { true } } == [
        pair("b0", mtu: 1300),
        .changeLink("b0", on: .host, outsideUp),
        .changeLink("lo", on: .container, LinkChange(isUp: true)),
        .changeLink("eth0", on: .container, up),
        .awaitRunning("b0"),
        .addAddress(AddressSpec("10.1.1.2/32", on: "b0", .host, addsSubnetRoute: false)),
        route("10.1.1.1/32", "b0", .host),
        .addAddress(AddressSpec("10.1.1.1/32", on: "eth0", .container, addsSubnetRoute: false)),
        route("10.1.1.2/32", from: "10.1.1.1", "eth0", .container),
      ])
    #expect(
      plan.result.interfaces == [
        .init(name: "b0", mac: "02:00:00:00:00:01", mtu: 1300, sandbox: "/run/netns/b"),
        .init(name: "eth0", mac: "02:00:00:00:00:02", mtu: 1300, sandbox: "/run/netns/c1"),
      ])
    #expect(plan.result.ips == [.init(interface: 1, address: "10.1.1.1/32", gateway: "10.1.1.2")])
  }

  @Test func `several addresses of one subnet share its gateway and its route`() throws {
    let fixture = Fixture()
    fixture.ipam.answer = AddResult(ips: [.init(address: "fd00:1::5/64"), .init(address: "fd00:1::6/64")])
    let routes = try plan(fixture).own.compactMap { change -> String? in
      if case .addRoute(let spec) = change { "\(spec)" } else { nil }
    }
    let host = fixture.owner.hostInterface
    #expect(
      routes == [
        "fd00:1::5/128 on \(host)", "fd00:1::6/128 on \(host)", "fd00:1::1/128 on eth0 in the container",
        "fd00:1::/64 via fd00:1::1 on eth0 in the container",
      ])
  }

  @Test(
    arguments: [
      ("10.1.0.1/24", nil, "10.1.0.2"), ("10.1.0.0/31", nil, "10.1.0.1"), ("10.1.0.1/31", nil, "10.1.0.0"),
      ("fd00::2/127", nil, "fd00::3"), ("10.1.0.7/24", "192.0.2.1", "192.0.2.1"),
    ] as [(IPPrefix, IPAddress?, IPAddress)])
  func `the gateway is the configured one or the first other address`(
    own: IPPrefix, given: IPAddress?, gateway: IPAddress
  ) throws {
    let fixture = Fixture()
    fixture.ipam.answer = AddResult(ips: [.init(address: own, gateway: given)])
    let plan = try plan(fixture)
    #expect(plan.result.ips.map(\.gateway) == [gateway])
    #expect(plan.own.contains(route(IPPrefix(host: gateway), from: own.address, "eth0", .container)))
  }

  @Test(
    arguments: [
      (
        [.init(address: "10.1.0.1/32")],
        "address 10.1.0.1/32: no gateway is given and none can be derived: want the other end's address"
      ),
      (
        [.init(address: "fd00::1/128")],
        "address fd00::1/128: no gateway is given and none can be derived: want the other end's address"
      ),
      (
        [.init(address: "10.1.0.1/24", gateway: "10.1.0.1")],
        "address 10.1.0.1/24: gateway 10.1.0.1: want another address of the same family"
      ),
      (
        [.init(address: "10.1.0.1/24", gateway: "fd00::1")],
        "address 10.1.0.1/24: gateway fd00::1: want another address of the same family"
      ),
      ([], "key \"ipam\": the plugin gave no address: want at least one"),
    ] as [([AddResult.IP], String)])
  func `addresses that give no gateway are refused`(ips: [AddResult.IP], message: String) throws {
    let fixture = Fixture()
    fixture.ipam.answer = AddResult(ips: ips)
    #expect(throws: CNIError(.invalidNetworkConfig, message)) { _ = try fixture.add() }
    #expect(fixture.kernel.applied == [])
    #expect(fixture.ipam.calls == [.add, .del])
  }

  @Test func `gwPriority sets the metric of the default route only`() throws {
    let plan = try plan(Fixture(), #""gwPriority":7"#)
    let metrics = plan.own.compactMap { change -> Int? in
      if case .addRoute(let spec) = change { spec.priority } else { nil }
    }
    #expect(metrics == [93])
    #expect(plan.result.routes == [Route(dst: "0.0.0.0/0", priority: 93)])
  }

  @Test(arguments: [(#""mtu":9000"#, 9000), ("", 1400), (#""mtu":0"#, 1400)])
  func `the MTU is the configured one or the uplink's`(keys: String, mtu: Int) throws {
    #expect(try plan(Fixture(), keys).result.interfaces.map(\.mtu) == [mtu, mtu])
  }

  @Test func `masquerade rules are added before the container's link is up`() throws {
    let fixture = Fixture()
    let plan = try plan(
      fixture, #""ipMasq":true,"ipMasqRandomFully":true,"ipMasqBackend":"iptables","args":{"cni":{"name":"web"}}"#)
    var ruleSet = RuleSet(
      fixture.owner, .network,
      [
        .masquerade(Masquerade("10.1.0.5", in: "10.1.0.0/24", isRandom: true)),
        .masquerade(Masquerade("fd00:1::5", in: "fd00:1::/64", isRandom: true)),
      ], backend: .iptables)
    (ruleSet.containerName, ruleSet.addresses) = ("web", ["10.1.0.5", "fd00:1::5"])
    let rules = plan.own.firstIndex(of: .addRules(ruleSet))
    let up = plan.own.firstIndex(of: .changeLink("eth0", on: .container, up))
    #expect(try #require(rules) < #require(up))
  }

  @Test func `with ipForward false the plan changes no shared sysctl`() throws {
    #expect(try plan(Fixture(), #""ipForward":false"#).shared == [])
  }

  @Test func `with enabledad ADD waits for duplicate address detection`() throws {
    let changes = try plan(Fixture(), #""enabledad":true"#).own
    #expect(changes.contains(.awaitDAD("eth0")))
    #expect(
      changes.contains(
        .addAddress(AddressSpec("fd00:1::5/64", on: "eth0", .container, skipsDAD: false, addsSubnetRoute: false))))
  }
}
