import CNI
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import firewall

/// Plans of `firewall` on a host with firewalld.
@Suite struct FirewalldTests {
  private let fixture = Fixture()

  init() { fixture.kernel.filter = FakeFilter.withFirewalld }

  func sources(_ zone: String) -> [Rule] {
    [.trust(ZoneSource("10.1.0.5", in: zone)), .trust(ZoneSource("fd00:1::5", in: zone))]
  }

  @Test(arguments: [
    (#"{"backend":"firewalld"}"#, "trusted"), (#"{"backend":"firewalld","firewalldZone":"pods"}"#, "pods"),
  ])
  func `the backend firewalld adds each address as a source of the zone and no rules`(
    json: String, zone: String
  ) throws {
    #expect(try fixture.add(json) == fixture.previous)
    #expect(try fixture.rules == sources(zone))
    #expect(try fixture.kernel.filter.ruleSet(of: fixture.owner, .firewall)?.backend == nil)
    try fixture.plugin.check(fixture.call(json))
  }

  @Test(
    arguments: [
      (#"{"backend":""}"#, "trusted", nil), (#"{"firewalldZone":"pods"}"#, "pods", nil),
      (#"{"iptablesAdminChainName":"OPS"}"#, "trusted", "OPS"),
    ] as [(String, String, String?)])
  func `without a backend and with firewalld, ADD adds sources and rules`(
    json: String, zone: String, chain: String?
  ) throws {
    _ = try fixture.add(json)
    #expect(try fixture.rules == sources(zone) + fixture.admissions(chain))
  }

  @Test(arguments: ["iptables", "nftables"])
  func `with another backend than firewalld ADD adds no sources`(backend: String) throws {
    _ = try fixture.add(#"{"backend":"\#(backend)"}"#)
    #expect(try fixture.rules == fixture.admissions(backend == "iptables" ? "CNI-ADMIN" : nil))
  }

  @Test func `ingressPolicy adds rules also with the backend firewalld`() throws {
    _ = try fixture.add(#"{"backend":"firewalld","ingressPolicy":"same-bridge"}"#)
    #expect(try fixture.rules == sources("trusted") + [.isolate(Isolation("cni0", reach: .outside))])
  }

  @Test func `STATUS reports that firewalld does not run only with the backend firewalld`() throws {
    func obstacle(_ json: String, _ filter: FakeFilter) throws -> String? {
      fixture.kernel.filter = filter
      var kernel = fixture.kernel
      return try FirewallDriver().obstacle(fixture.config(json), on: &kernel)
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
