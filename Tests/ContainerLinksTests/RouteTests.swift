import CNI
import Kernel
import NetTypes
import PluginKit
import TestSupport
import Testing
@testable import dummy
@testable import ipvlan
@testable import vlan

@Suite struct RouteTests {
  private func routes(
    _ given: [Route], _ ips: [AddResult.IP]? = nil
  ) throws -> (refusal: CNIError?, made: [RouteSpec], result: AddResult) {
    let fixture = Fixture(VLANDriver())
    fixture.ipam.answer.routes = given
    if let ips { fixture.ipam.answer.ips = ips }
    let refusal = try fixture.refusal(#"{"master":"m0"}"#)
    guard refusal == nil else { return (refusal, [], AddResult()) }
    let made = fixture.kernel.state.routes
    let again = Fixture(VLANDriver())
    again.ipam.answer = fixture.ipam.answer
    let result = try again.add(#"{"master":"m0"}"#)
    #expect(try again.complaint(#"{"master":"m0"}"#, result) == "")
    return (nil, made, result)
  }

  @Test func `a route with the gateway 0.0.0.0 or :: is on-link`() throws {
    let found = try routes([
      Route(dst: "0.0.0.0/0", gw: "198.51.100.1"), Route(dst: "198.51.100.0/24", gw: "0.0.0.0"),
      Route(dst: "2001:db8::/64", gw: "::"),
    ])
    #expect(found.made.map(\.gateway) == [nil, nil, "198.51.100.1"])
    #expect(found.made.map(\.isOnLink) == [false, false, false])
    #expect(found.result.routes.map(\.gw) == ["198.51.100.1", "0.0.0.0", "::"])
  }

  @Test func `an address with the gateway 0.0.0.0 or :: has no gateway`() throws {
    let found = try routes([Route(dst: "0.0.0.0/0")], [.init(address: "10.1.0.5/24", gateway: "0.0.0.0")])
    #expect(found.made.map(\.gateway) == [nil])
    #expect(found.result.ips.map(\.gateway) == [nil])
  }

  @Test(arguments: ["10.9.0.1", "169.254.1.1", "fd00:9::1"] as [IPAddress])
  func `a gateway that no prefix covers is reached with onlink`(gateway: IPAddress) throws {
    let found = try routes([Route(dst: .everything(gateway.family), gw: gateway)])
    #expect(found.made.map(\.isOnLink) == [true])
  }

  @Test func `a route that is given twice is added once`() throws {
    let route = Route(dst: "10.9.0.0/16", gw: "10.1.0.9")
    #expect(try routes([route, route]).made.count == 1)
  }

  @Test(
    arguments: [
      ("10.1.0.5", nil, "an address that is not the container's"),
      ("10.1.0.255", nil, "the unicast address of a router"),
      ("255.255.255.255", nil, "the unicast address of a router"),
      ("224.0.0.1", nil, "the unicast address of a router"),
      ("127.0.0.1", nil, "the unicast address of a router"), ("fd00::1", nil, "an address of the same family"),
      ("10.1.0.1", 253, "no gateway with scope 253, or another scope"),
    ] as [(IPAddress, Int?, String)])
  func `an invalid gateway is refused`(gateway: IPAddress, scope: Int?, wanted: String) throws {
    var route = Route(dst: "10.9.0.0/16", gw: gateway)
    route.scope = scope
    let message = "route 10.9.0.0/16: gw \(gateway): want \(wanted)"
    #expect(try routes([route]).refusal == CNIError(.invalidNetworkConfig, message))
  }

  @Test func `CHECK reports a gateway on a route that should be on-link`() throws {
    let fixture = Fixture(VLANDriver())
    fixture.ipam.answer.routes = [Route(dst: "198.51.100.0/24", gw: "0.0.0.0")]
    let result = try fixture.add(#"{"master":"m0"}"#)
    fixture.kernel.state.routes = fixture.kernel.state.routes.map { route in
      var route = route
      route.gateway = "10.1.0.1"
      return route
    }
    let complaint = try fixture.complaint(#"{"master":"m0"}"#, result)
    #expect(complaint.contains("container route 198.51.100.0/24 on eth0 is missing"))
  }
}

@Suite struct RouterAdvertisementTests {
  private func settings(_ json: String, addresses: Bool = true) throws -> [String: String] {
    let fixture = Fixture(VLANDriver())
    if !addresses { fixture.ipam.answer = AddResult() }
    try fixture.add(json)
    let up = fixture.kernel.applied.firstIndex { "\($0)".hasPrefix("set eth0 up") } ?? 0
    let early = fixture.kernel.applied[..<up].contains { "\($0)".contains("accept_ra") }
    let found = fixture.kernel.state.sysctls[.container]?.filter { $0.key.hasSuffix("/accept_ra") } ?? [:]
    #expect(early == !found.isEmpty)
    return found
  }

  @Test(arguments: [("", "0"), (#","acceptRA":false"#, "0"), (#","acceptRA":true"#, "1")])
  func `an interface with addresses ignores router advertisements unless acceptRA is true`(key: String, value: String)
    throws
  {
    #expect(try settings(#"{"master":"m0"\#(key)}"#) == ["net/ipv6/conf/eth0/accept_ra": value])
  }

  @Test(arguments: [("", nil), (#","acceptRA":false"#, "0"), (#","acceptRA":true"#, "1")] as [(String, String?)])
  func `an interface without addresses keeps the kernel's accept_ra unless acceptRA is set`(key: String, value: String?)
    throws
  {
    let found = try settings(#"{"master":"m0"\#(key)}"#, addresses: false)
    #expect(found["net/ipv6/conf/eth0/accept_ra"] == value)
  }
}

@Suite struct NoIPv6Tests {
  @Test func `IPv6 addresses on a kernel without IPv6 are refused before any change`() throws {
    let fixture = Fixture(VLANDriver())
    fixture.kernel.state.sysctls[.host] = ["net/ipv4/ip_forward": "0"]
    let refusal = CNIError(
      .invalidNetworkConfig,
      "address fd00:1::5/64: this kernel runs without IPv6 (ipv6.disable=1): want only IPv4")
    #expect(try fixture.refusal(#"{"master":"m0"}"#) == refusal)
    #expect(fixture.kernel.applied == [])
    #expect(fixture.ipam.calls == [.add, .del])
    fixture.ipam.answer.ips.removeLast()
    fixture.ipam.answer.routes = []
    #expect(try fixture.refusal(#"{"master":"m0"}"#) == nil)
  }
}

@Suite struct ConfiguredDNSTests {
  @Test(
    arguments: [
      ("", ["10.0.0.53"]), (#","dns":{}"#, ["10.0.0.53"]), (#","dns":{"nameservers":null}"#, ["10.0.0.53"]),
      (#","dns":{"domain":""}"#, ["10.0.0.53"]), (#","dns":{"nameservers":[]}"#, []), (#","dns":{"search":[]}"#, []),
      (#","dns":{"nameservers":["10.9.9.9"]}"#, ["10.9.9.9"]),
    ])
  func `DNS lists of the configuration replace IPAM's even if they are empty`(key: String, wanted: [String]) throws {
    let fixture = Fixture(VLANDriver())
    fixture.ipam.answer.dns = DNS(nameservers: ["10.0.0.53"])
    #expect(try fixture.add(#"{"master":"m0"\#(key)}"#).dns.nameservers == wanted)
  }
}
