import CNI
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import firewall

/// Plans of `firewall` on a host with firewalld.
@Suite struct FirewalldTests {
  let plain: FirewallTests

  init() throws {
    plain = try FirewallTests()
    plain.kernel.filter = FakeFilter.withFirewalld
  }

  func sources(_ zone: String) -> [Rule] {
    [.trust(ZoneSource("10.1.0.5", in: zone)), .trust(ZoneSource("fd00:1::5", in: zone))]
  }

  @Test(arguments: [
    (#"{"backend":"firewalld"}"#, "trusted"), (#"{"backend":"firewalld","firewalldZone":"pods"}"#, "pods"),
  ])
  func `the backend firewalld adds each address as a source of the zone and no rules`(
    json: String, zone: String
  ) throws {
    #expect(try plain.add(json) == plain.previous)
    #expect(try plain.rules == sources(zone))
    #expect(try plain.kernel.filter.ruleSet(of: plain.owner, .firewall)?.backend == nil)
    try plain.plugin.check(plain.call(json, previous: plain.previous))
  }

  @Test(
    arguments: [
      (#"{"backend":""}"#, "trusted", nil), (#"{"firewalldZone":"pods"}"#, "pods", nil),
      (#"{"iptablesAdminChainName":"OPS"}"#, "trusted", "OPS"),
    ] as [(String, String, String?)])
  func `without a backend and with firewalld, ADD adds sources and rules`(
    json: String, zone: String, chain: String?
  ) throws {
    _ = try plain.add(json)
    #expect(try plain.rules == sources(zone) + plain.admissions(chain))
  }

  @Test(arguments: ["iptables", "nftables"])
  func `with another backend than firewalld ADD adds no sources`(backend: String) throws {
    _ = try plain.add(#"{"backend":"\#(backend)"}"#)
    #expect(try plain.rules == plain.admissions(backend == "iptables" ? "CNI-ADMIN" : nil))
  }

  @Test func `ingressPolicy adds rules also with the backend firewalld`() throws {
    _ = try plain.add(#"{"backend":"firewalld","ingressPolicy":"same-bridge"}"#)
    #expect(try plain.rules == sources("trusted") + [.isolate(Isolation("cni0", reach: .outside))])
  }

  @Test func `STATUS reports that firewalld does not run only with the backend firewalld`() throws {
    func obstacle(_ json: String, _ filter: FakeFilter) throws -> String? {
      plain.kernel.filter = filter
      var kernel = plain.kernel
      return try FirewallDriver().obstacle(plain.call(json, previous: nil).config, on: &kernel)
    }
    #expect(try obstacle(#"{"backend":"firewalld"}"#, .withFirewalld) == nil)
    #expect(
      try obstacle(#"{"backend":"firewalld"}"#, FakeFilter())
        == "key \"backend\": \"firewalld\": look for firewalld: this host has none")
    #expect(try obstacle("{}", FakeFilter()) == nil)
  }
}

extension FakeFilter {
  fileprivate static var withFirewalld: FakeFilter {
    var filter = FakeFilter()
    filter.runsFirewalld = true
    return filter
  }
}
