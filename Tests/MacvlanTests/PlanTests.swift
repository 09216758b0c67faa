import CNI
import Kernel
import NetTypes
import PluginKit
import TestSupport
import Testing
@testable import macvlan

@Suite struct PlanTests {
  private let mac: MACAddress = "02:00:00:00:00:01"

  private func plan(_ fixture: Fixture, _ keys: String, _ addresses: AddResult) throws -> AttachmentPlan {
    let driver = MacvlanDriver()
    let call = try fixture.call(#"{"mac":"\#(mac)","ipam":{"type":"x"}\#(keys)}"#)
    let settings = try driver.settings(call.config, call.keys, call.arguments())
    var kernel = fixture.kernel
    let hostState = try driver.readHostState(settings, owner: fixture.owner, families: [.v4], at: &kernel)
    return try driver.plan(
      settings, hostState, owner: fixture.owner, namespacePath: "/run/netns/c1", addresses: addresses)
  }

  private func address(_ prefix: IPPrefix) -> Change { .addAddress(AddressSpec(prefix, on: "eth0", .container)) }

  private func link(_ childLink: Macvlan = Macvlan(.bridge)) -> Change {
    .createLink(
      LinkSpec("eth0", kind: .childLink(.macvlan(childLink), over: LinkKey("up0", on: .host)), mac: mac, on: .container)
    )
  }

  private let loUp = Change.changeLink("lo", on: .container, LinkChange(isUp: true))

  private func up(_ fixture: Fixture) -> Change {
    .changeLink("eth0", on: .container, LinkChange(isUp: true, alias: fixture.owner.tag))
  }

  @Test func `without addresses the plan only creates the link`() throws {
    let fixture = Fixture()
    let plan = try plan(fixture, "", AddResult())
    #expect(plan.shared == [])
    #expect(plan.own == [link(), loUp, up(fixture)])
    #expect(
      plan.result
        == AddResult(interfaces: [.init(name: "eth0", mac: mac.description, mtu: 1500, sandbox: "/run/netns/c1")]))
  }

  @Test func `addresses and routes come from IPAM, dns from the configuration or else from IPAM`() throws {
    let fixture = Fixture()
    var answer = fixture.ipam.answer
    answer.dns = DNS(nameservers: ["10.1.0.53"])
    let plan = try plan(fixture, "", answer)
    #expect(plan.result.ips.map(\.interface) == [0, 0])
    #expect(plan.result.ips.map(\.address) == ["10.1.0.5/24", "fd00:1::5/64"])
    #expect(plan.result.routes == answer.routes)
    #expect(plan.result.dns == answer.dns)
    #expect(plan.own.contains(address("10.1.0.5/24")) && plan.own.contains(address("fd00:1::5/64")))
    #expect(plan.own.last == .announce(["10.1.0.5", "fd00:1::5"], mac: mac, on: "eth0"))
    let named = try self.plan(fixture, #","dns":{"nameservers":["9.9.9.9"]}"#, answer)
    #expect(named.result.dns == DNS(nameservers: ["9.9.9.9"]))
  }

  // MARK: the host's access

  private func hostRoute(_ fixture: Fixture, _ destination: IPPrefix, from source: IPAddress) -> Change {
    var route = RouteSpec(destination, on: fixture.link, .host)
    route.priority = fixture.owner.numericID
    route.source = source
    return .addRoute(route)
  }

  private func access(_ fixture: Fixture, _ ips: [IPPrefix], mac given: MACAddress = "02:11:22:33:44:55") throws -> (
    shared: [Change], own: [Change]
  ) {
    fixture.kernel.addLink(fixture.link, on: .host, kind: "macvlan")
    let master = fixture.kernel.link("up0", on: .host)?.index
    fixture.kernel.state.links[.host]?[fixture.link]?.mac = given
    fixture.kernel.state.links[.host]?[fixture.link]?.parentIndex = master
    let addresses = AddResult(ips: ips.map { .init(address: $0) })
    let all = try plan(fixture, #","hostAccess":true"#, addresses)
    let without = try plan(fixture, "", addresses)
    #expect(Array(all.own.prefix(without.own.count)) == without.own)
    #expect(all.result == without.result)
    return (all.shared, Array(all.own.dropFirst(without.own.count)))
  }

  @Test func `the host's link is shared and gets its sysctls before it is up`() throws {
    let fixture = Fixture(), name = fixture.link
    let shared = try access(fixture, ["10.1.0.5/24", "fd00:1::5/64"]).shared
    #expect(
      shared == [
        .createLink(
          LinkSpec(
            name, kind: .childLink(.macvlan(Macvlan(.bridge)), over: LinkKey("up0", on: .host)),
            mac: "02:11:22:33:44:55")),
        .setSysctls(
          [
            .conf(.v4, name, "arp_filter", "1"), .conf(.v4, name, "arp_ignore", "0"),
            .conf(.v4, name, "rp_filter", "1"), .conf(.v6, name, "accept_ra", "0", isOptional: true),
            .conf(.v6, name, "accept_dad", "0", isOptional: true), .conf(.v6, name, "addr_gen_mode", "0"),
            .conf(.v6, name, "disable_ipv6", "0"),
          ], on: .host),
        .changeLink(name, on: .host, LinkChange(isUp: true, alias: "cni:net/")),
      ])
  }

  @Test func `the host gets a route to each container address, the container to each IPv6 host address`() throws {
    let fixture = Fixture()
    let own = try access(fixture, ["10.1.0.5/24", "fd00:1::5/64"]).own
    #expect(
      own == [
        .setNeighbour(NeighbourSpec("10.1.0.5", mac: mac, on: fixture.link, .host)),
        hostRoute(fixture, "10.1.0.5/32", from: "10.1.0.1"),
        hostRoute(fixture, "fd00:1::5/128", from: "fd00:1::1"),
        .addRoute(RouteSpec("fd00:1::1/128", via: "fe80::11:22ff:fe33:4455", on: "eth0", .container)),
      ])
  }

  @Test func `the container gets a route to a host address outside its subnet`() throws {
    let fixture = Fixture(hostAddresses: ["192.0.2.1/24", "10.1.0.1/24", "10.1.0.2/16"])
    let own = try access(fixture, ["10.1.0.5/24"]).own
    #expect(own.contains(.addRoute(RouteSpec("192.0.2.1/32", on: "eth0", .container))))
    #expect(own.contains(hostRoute(fixture, "10.1.0.5/32", from: "10.1.0.1")))
    #expect(own.count == 3)
  }

  @Test func `with arp_ignore 1 on the host the container gets a neighbour entry for the host`() throws {
    let fixture = Fixture()
    fixture.kernel.state.sysctls[.host]?["net/ipv4/conf/all/arp_ignore"] = "1"
    let own = try access(fixture, ["10.1.0.5/24"]).own
    #expect(own.last == .setNeighbour(NeighbourSpec("10.1.0.1", mac: "02:11:22:33:44:55", on: "eth0", .container)))
  }

  @Test(
    arguments: [
      (Fixture.hostAddresses, ["10.1.0.5/24"], [IPFamily.v4]), (Fixture.hostAddresses, ["fd00:1::5/64"], [.v6]),
      (["10.1.0.1/24"], ["10.1.0.5/24", "fd00:1::5/64"], [.v4]),
      (["fd00:1::1/64"], ["10.1.0.5/24", "fd00:1::5/64"], [.v6]),
    ] as [([IPPrefix], [IPPrefix], [IPFamily])])
  func `hostAccess leaves out an address family that the host or the container lacks`(
    host: [IPPrefix], container: [IPPrefix], families: [IPFamily]
  ) throws {
    let fixture = Fixture(hostAddresses: host)
    let (shared, own) = try access(fixture, container)
    let found = own.compactMap { if case .addRoute(let route) = $0 { route.dst.family } else { nil } }
    #expect(Set(found) == Set(families))
    let enables = shared.contains { "\($0)".contains("disable_ipv6=0") }
    #expect(enables == families.contains(.v6))
  }

  @Test(
    arguments: [
      (["10.1.0.1/24"], ["fd00:1::5/64"], "IPv4"), (["fd00:1::1/64"], ["10.1.0.5/24"], "IPv6"),
      (Fixture.hostAddresses, [], "IPv4 and IPv6"),
    ] as [([IPPrefix], [IPPrefix], String)])
  func `hostAccess needs a common address family`(host: [IPPrefix], container: [IPPrefix], wanted: String) throws {
    let fixture = Fixture(hostAddresses: host)
    let message =
      #"key "hostAccess": true: the container gets no address of a family that up0 has: want \#(wanted)"#
    #expect(throws: CNIError(.invalidNetworkConfig, message)) { try access(fixture, container) }
  }

  @Test(arguments: ["fake", "dhcp"])
  func `hostAccess is refused if the master has no address`(ipam: String) throws {
    let fixture = Fixture(hostAddresses: [])
    let message = #"key "hostAccess": true: up0 has no address by which to reach the host: want one on it"#
    #expect(throws: CNIError(.invalidNetworkConfig, message)) {
      try fixture.add(#"{"hostAccess":true,"ipam":{"type":"\#(ipam)"}}"#)
    }
    #expect(fixture.kernel.applied == [])
  }

  @Test func `the host's link gets the same MAC address each time it is created`() throws {
    let fixture = Fixture()
    fixture.kernel.state.links[.host]?["up0"]?.mac = "02:00:00:00:00:77"
    let json = #"{"hostAccess":true,"ipam":{"type":"fake"}}"#
    var found: [MACAddress?] = []
    for _ in 1...2 {
      _ = try fixture.add(json)
      found.append(fixture.kernel.link(fixture.link, on: .host)?.mac)
      try fixture.delete()
    }
    #expect(found[0] == AttachmentID.hostMacvlanAddress(fixture.owner.network, over: "02:00:00:00:00:77"))
    #expect(found[1] == found[0])
    #expect(found[0]?.isMulticast == false)
    #expect(found[0] != AttachmentID.hostMacvlanAddress(fixture.owner.network, over: "02:00:00:00:00:78"))
  }

  @Test func `hostAccess makes the same routes with IPAM dhcp as with other IPAM plugins`() throws {
    let fixture = Fixture()
    let json = #"{"mac":"02:00:00:00:00:01","hostAccess":true,"ipam":{"type":"TYPE"}}"#
    fixture.ipam.type = "dhcp"
    _ = try fixture.add(json.replacing("TYPE", with: "dhcp"))
    let other = Fixture()
    let up = fixture.kernel.state.links[.host]?["up0"]?.mac
    other.kernel.state.links[.host]?["up0"]?.mac = up
    _ = try other.add(json.replacing("TYPE", with: "fake"))
    #expect(Set(fixture.kernel.state.routes.map(\.description)) == Set(other.kernel.state.routes.map(\.description)))
    #expect(fixture.kernel.state.neighbours == other.kernel.state.neighbours)
    let sysctls = [fixture, other].map { fixture in
      fixture.kernel.state.sysctls.mapValues { $0.filter { !$0.key.hasSuffix("eth0/accept_ra") } }
    }
    #expect(sysctls[0] == sysctls[1])
    #expect(fixture.kernel.locks == [false, false, true])
  }

  @Test(arguments: ["macvlan", "veth"])
  func `hostAccess is refused if the host's link exists over another parent`(kind: String) throws {
    let fixture = Fixture()
    fixture.kernel.addLink(fixture.link, on: .host, kind: kind)
    let message =
      #"key "hostAccess": true: the host's link \#(fixture.link) is not over up0: want the network's former master, "#
      + "or that link to be removed"
    #expect(throws: CNIError(.invalidNetworkConfig, message)) {
      try fixture.add(#"{"hostAccess":true,"ipam":{"type":"fake"}}"#)
    }
    #expect(fixture.kernel.applied == [])
    #expect(fixture.ipam.calls == [.add, .del])
  }
}
