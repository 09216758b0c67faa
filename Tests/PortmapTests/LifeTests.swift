import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import portmap

@Suite struct LifeTests {
  private let udp = mappings(#"{"hostPort":53,"containerPort":53,"protocol":"udp"},{"hostPort":80,"containerPort":80}"#)
  private let both: Set<ConntrackFilter> = [
    ConntrackFilter(.udp, .v4, 53), ConntrackFilter(.udp, .v6, 53),
  ]

  @Test func `CHECK reports nothing after ADD, and later each missing rule and sysctl`() throws {
    let fixture = Fixture()
    let result = try fixture.add(udp)
    try fixture.plugin.check(fixture.call(udp, previous: result))
    fixture.kernel.filter = FakeFilter()
    fixture.kernel.state.sysctls[.host]?["net/ipv4/conf/br0/route_localnet"] = "0"
    let error = #expect(throws: CNIError.self) { try fixture.plugin.check(fixture.call(udp, previous: result)) }
    #expect(error?.code == .differences)
    for fragment in [
      "packet filter: host port 53/udp to 10.1.0.5:53 is missing",
      "packet filter: host port 80/tcp to [fd00:1::5]:80 is missing", "sysctl net/ipv4/conf/br0/route_localnet is 0",
    ] { #expect(error?.message.contains(fragment) == true) }
  }

  @Test func `CHECK finds chosen ports, also without mappings in the configuration`() throws {
    let fixture = Fixture()
    let json = mappings(#"{"containerPort":80},{"containerPort":80},{"containerPort":81,"hostIP":"192.0.2.1"}"#)
    let result = try fixture.add(json)
    try fixture.plugin.check(fixture.call(json, previous: result))
    try fixture.plugin.check(fixture.call("{}", previous: result))
    fixture.kernel.filter = FakeFilter()
    let error = #expect(throws: CNIError.self) { try fixture.plugin.check(fixture.call(json, previous: result)) }
    #expect(error?.code == .differences)
  }

  @Test(arguments: ["{}", #"{"runtimeConfig":{"portMappings":[{"hostPort":0}]},"backend":7}"#, nil] as [String?])
  func `DEL needs no configuration and deletes UDP conntrack entries after the rules`(json: String?) throws {
    let fixture = Fixture()
    try fixture.add(udp)
    let made = fixture.kernel.applied.count
    try fixture.delete(json, path: nil)
    #expect(fixture.ruleSets.isEmpty)
    #expect(
      Array(fixture.kernel.applied[made...]) == [
        .disableRouteLocalnet("br0", except: [fixture.owner]),
        .removeRules(fixture.owner, .ports, everywhere: true), .deleteConntrackEntries(both),
      ])
  }

  @Test func `DEL without stored rules uses the configuration`() throws {
    let fixture = Fixture()
    try fixture.delete(udp, path: nil)
    #expect(
      fixture.kernel.applied == [
        .removeRules(fixture.owner, .ports, everywhere: true), .deleteConntrackEntries(both),
      ])
  }

  @Test func `DEL with empty portMappings does not search the rulesets`() throws {
    let fixture = Fixture()
    try fixture.delete(#"{"runtimeConfig":{"portMappings":[]}}"#, path: nil)
    #expect(fixture.kernel.applied == [.removeRules(fixture.owner, .ports, everywhere: false)])
  }

  @Test(arguments: [true, false])
  func `DEL removes the floating address if its device still exists`(isThere: Bool) throws {
    let fixture = Fixture()
    let before = fixture.kernel.state
    try fixture.add(#"{"floatingDevice":"up0","runtimeConfig":{"floatingIPs":["192.0.2.7"]}}"#)
    if !isThere { fixture.kernel.state.links[.host]?["up0"] = nil }
    try fixture.delete("{}", path: nil)
    let address = AddressSpec("192.0.2.7/32", on: "up0", .host, isSource: false, isAnnounced: true)
    #expect(fixture.kernel.applied.contains(.deleteAddress(address)) == isThere)
    if isThere { #expect(fixture.kernel.state == before) }
  }

  @Test func `a repeated ADD keeps the floating address of the first as its own, and DEL removes it`() throws {
    let fixture = Fixture()
    let before = fixture.kernel.state
    let config = #"{"floatingDevice":"up0","runtimeConfig":{"floatingIPs":["192.0.2.7"]}}"#
    try fixture.add(config)
    let added = fixture.kernel.state
    try fixture.add(config)
    #expect(fixture.kernel.state == added)
    try fixture.add(#"{"floatingDevice":"up0","runtimeConfig":{"floatingIPs":["192.0.2.8"]}}"#)
    #expect(fixture.kernel.state.addresses.map(\.prefix).filter { $0.length == 32 } == ["192.0.2.8/32"])
    try fixture.delete("{}", path: nil)
    #expect(fixture.kernel.state == before)
  }

  @Test func `GC removes rules and conntrack entries of invalid attachments`() throws {
    let kept = Fixture()
    let gone = Fixture(container: "c2", on: kept.kernel)
    try kept.add(mappings(#"{"hostPort":81,"containerPort":80}"#))
    try gone.add(mappings(#"{"hostPort":53,"containerPort":53,"protocol":"udp"}"#))
    let made = kept.kernel.applied.count
    try kept.collectGarbage("{}", keeping: [kept.owner])
    #expect(kept.ruleSets.map(\.owner) == [kept.owner])
    #expect(
      Array(kept.kernel.applied[made...]) == [
        .disableRouteLocalnet("br0", except: [gone.owner]),
        .removeStaleRules(kept.owner.network, .ports, valid: [kept.owner], everywhere: true),
        .deleteConntrackEntries(both),
      ])
  }

  @Test(
    arguments: [
      ("{}", Backend.nftables, nil), ("{}", nil, "this host has none"),
      (#"{"backend":"nftables","externalSetMarkChain":"X"}"#, .nftables, "want one backend for both"),
    ] as [(String, Backend?, String?)])
  func `STATUS fails if the backend cannot be used`(json: String, backend: Backend?, fragment: String?) throws {
    let fixture = Fixture()
    var filter = FakeFilter()
    filter.hostBackend = backend
    fixture.kernel.filter = filter
    let error = try fixture.obstacle(json)
    #expect(error?.code == fragment.map { _ in .notAvailable })
    if let fragment { #expect(error?.message.contains(fragment) == true) }
  }

  @Test(arguments: 0..<8)
  func `ADD is rolled back if change n is refused`(n: Int) throws {
    let fixture = Fixture()
    let before = fixture.kernel.state
    let json = #"""
      {"floatingDevice":"up0","runtimeConfig":{"floatingIPs":["192.0.2.7","2001:db8::7"],
       "portMappings":[{"hostPort":53,"containerPort":53,"protocol":"udp"}]}}
      """#
    let refused = try fixture.expectRollback(json, refusing: n)
    #expect(refused == (n < 6))
    #expect(fixture.ruleSets.isEmpty == refused)
    if !refused { #expect(fixture.kernel.state != before) }
  }

  @Test func `ADD is rolled back if the result cannot be written`() throws {
    let fixture = Fixture()
    try fixture.expectRollbackWithoutReader(udp)
    #expect(fixture.ruleSets.isEmpty)
  }

  // MARK: delegate mode

  private let delegating = #"""
    {"chain":"UCR-DEFAULT-BRIDGE","excludeDevices":["ucr-br0"],"delegate":{"type":"bridge","bridge":"ucr-br0"},
     "args":{"org.apache.mesos":{"network_info":{"port_mappings":[
       {"container_port":80,"host_port":31000,"protocol":"tcp"}]}}}}
    """#

  @Test func `the delegate runs first and its result is returned`() throws {
    let fixture = Fixture()
    #expect(try fixture.add(delegating) == fixture.previous)
    #expect(fixture.delegate.calls == [.add])
    #expect(fixture.ruleSets.first?.ports.map(\.chain) == ["UCR-DEFAULT-BRIDGE", "UCR-DEFAULT-BRIDGE"])
    try fixture.delete(delegating, path: nil)
    #expect(fixture.delegate.calls == [.add, .del])
    #expect(fixture.ruleSets.isEmpty)
  }

  @Test func `the delegate gets DEL if publishing fails, and also with an otherwise invalid configuration`()
    throws
  {
    let fixture = Fixture()
    fixture.kernel.changesBeforeRefusal = 0
    #expect(try fixture.refusal(delegating)?.code == .kernelRefused)
    #expect(fixture.delegate.calls == [.add, .del])
    try fixture.delete(delegating.replacing("31000", with: "-1"), path: nil)
    #expect(fixture.delegate.calls == [.add, .del, .del])
  }

  @Test(arguments: [(CNIError.Code.alreadyAttached, [Command.add]), (.kernelRefused, [.add, .del])])
  func `the delegate gets no DEL if it reports an existing attachment`(code: CNIError.Code, calls: [Command]) throws {
    let fixture = Fixture()
    fixture.delegate.refusal = CNIError(code, "refused")
    #expect(try fixture.refusal(delegating)?.code == code)
    #expect(fixture.delegate.calls == calls)
  }
}
