import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import service

typealias Fixture = ChainFixture<ServiceDriver>

extension ChainFixture where Driver == ServiceDriver {
  init() {
    let previous = AddResult(
      interfaces: [.init(name: "cni0"), .init(name: "veth1"), .init(name: "eth0", sandbox: "/run/netns/c1")],
      ips: [.init(interface: 2, address: "10.1.0.5/24"), .init(interface: 2, address: "fd00:1::5/64")])
    self.init(ServiceDriver(), after: previous)
    kernel.addLink("cni0", on: .host, kind: "bridge")
    kernel.addLink("lo", on: .host, kind: "loopback")
    kernel.state.addresses += [
      AddressSpec("10.1.0.1/24", on: "cni0", .host), AddressSpec("fd00:1::1/64", on: "cni0", .host),
    ]
  }

  var backEnds: [BackEnd] {
    get throws {
      try (kernel.filter.ruleSet(of: owner, .services)?.rules ?? []).compactMap {
        if case .balance(let backEnd) = $0 { backEnd } else { nil }
      }
    }
  }
}

@Suite struct ConfigTests {
  /// A configuration in which that key has another value.
  static func config(_ key: String = "weight", _ value: String = "1") -> String {
    var keys = ["service": #""web""#, "vip": #"["10.1.0.250"]"#, "ports": #"[{"port":80}]"#]
    keys[key] = value
    return "{\(keys.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ","))}"
  }

  @Test(arguments: [
    ("service", #""Web""#), ("service", #""""#), ("vip", "[]"), ("vip", #"["10.1.0.250","10.1.0.250"]"#),
    ("vip", #"["0.0.0.0"]"#), ("vip", #"["224.0.0.1"]"#), ("ports", "[]"),
    ("health", "{}"), ("health", "80"), ("health", #"{"tcp":0}"#), ("health", #"{"tcp":80,"http":"/"}"#),
    ("health", #"{"tcp":80,"port":80}"#), ("health", #"{"http":"x"}"#), ("health", #"{"http":"/a b"}"#),
    ("health", #"{"http":"/","port":65536}"#), ("health", #"{"tcp":80,"interval":0}"#),
    ("health", #"{"tcp":80,"interval":3601}"#), ("health", #"{"tcp":80,"timeout":61,"interval":100}"#),
    ("health", #"{"tcp":80,"timeout":6}"#), ("health", #"{"tcp":80,"fall":0}"#), ("health", #"{"tcp":80,"rise":11}"#),
    ("ports", #"[{"port":80},{"port":80,"targetPort":81}]"#), ("ports", #"[{"port":0}]"#), ("weight", "101"),
    ("weight", "-1"), ("scheduler", #""rr""#), ("resolve", #""none""#), ("publish", #"[{"hostPort":80,"port":81}]"#),
    ("haproxy", "{}"),
  ])
  func `a value that is not valid is refused with its key, and nothing is changed`(key: String, value: String) throws {
    let fixture = Fixture()
    let error = #expect(throws: CNIError.self) { try fixture.add(Self.config(key, value)) }
    #expect(error?.code == .invalidNetworkConfig && error?.message.contains("key \"\(key)") == true, "\(error as Any)")
    #expect(fixture.ruleSets.isEmpty)
  }

  @Test(arguments: ["service", "vip", "ports"])
  func `a key that is missing is named`(key: String) throws {
    let error = #expect(throws: CNIError.self) { try Fixture().add(Self.config(key, "null")) }
    #expect(error?.message.contains("key \"\(key)\"") == true, "\(error as Any)")
  }

  @Test func `another engine is refused`() throws {
    let error = #expect(throws: CNIError.self) { try Fixture().add(Self.config("engine", #""ipvs""#)) }
    #expect(error?.code == .unsupportedField)
  }

  @Test(arguments: [
    (#"[{"port":53,"protocol":"udp"}]"#, "[]", "{}", "port 53/udp"),
    (#"[{"port":80}]"#, #"[{"hostPort":80}]"#, "{}", "publish[0].hostPort"),
    (#"[{"port":80}]"#, "[]", #"{"mode":"tls"}"#, "haproxy.mode"),
    (#"[{"port":80}]"#, "[]", #"{"certificate":"web.pem"}"#, "haproxy.certificate"),
    (#"[{"port":80}]"#, "[]", #"{"certificate":"/it's"}"#, "haproxy.certificate"),
  ])
  func `what haproxy cannot do is refused`(ports: String, publish: String, haproxy: String, named: String) throws {
    let config = #"""
      {"service":"web","vip":["10.1.0.250"],"engine":"haproxy","ports":\#(ports),"publish":\#(publish),"haproxy":\#(haproxy)}
      """#
    let fixture = Fixture()
    let error = #expect(throws: CNIError.self) { try fixture.add(config) }
    #expect(error?.code == .invalidNetworkConfig && error?.message.contains(named) == true, "\(error as Any)")
    #expect(fixture.ruleSets.isEmpty)
  }

  @Test func `the back-ends of haproxy have its settings, and other records are as before`() throws {
    let fixture = Fixture()
    _ = try fixture.add(
      #"{"service":"web","vip":["10.1.0.250"],"ports":[{"port":80}],"engine":"haproxy","haproxy":{"mode":"http"}}"#)
    let backEnd = try #require(try fixture.backEnds.first)
    var wanted = ServiceProxy()
    wanted.mode = .http
    #expect(backEnd.proxy == wanted && backEnd.device == "lo")
    #expect(try BackEnd(JSONReader(backEnd.json)) == backEnd)
    var plain = backEnd
    plain.proxy = nil
    #expect(plain.json["haproxy"] == nil)
  }
}

@Suite struct BackEndTests {
  private let config = #"""
    {"service":"web","vip":["10.1.0.250","fd00:1::fa"],"weight":7,"scheduler":"source","resolve":"members",
     "ports":[{"port":80,"targetPort":8080},{"port":53,"protocol":"udp"}],"publish":[{"hostPort":8000,"port":80}]}
    """#

  private func backEnd(
    _ address: IPAddress?, _ transport: TransportProtocol, _ port: UInt16, to target: UInt16, _ family: IPFamily,
    on device: InterfaceName?
  ) -> BackEnd {
    var backEnd = BackEnd(
      of: "web", address, transport, port, .source, to: family == .v4 ? "10.1.0.5" : "fd00:1::5", target,
      in: family == .v4 ? "10.1.0.0/24" : "fd00:1::/64", weight: 7)
    (backEnd.device, backEnd.resolve) = (device, .members)
    return backEnd
  }

  @Test func `ADD makes a back-end of each address and port, and CHECK expects them`() throws {
    let fixture = Fixture()
    _ = try fixture.add(config)
    #expect(
      try fixture.backEnds == [
        backEnd("10.1.0.250", .tcp, 80, to: 8080, .v4, on: "lo"),
        backEnd("10.1.0.250", .udp, 53, to: 53, .v4, on: "lo"),
        backEnd("fd00:1::fa", .tcp, 80, to: 8080, .v6, on: "cni0"),
        backEnd("fd00:1::fa", .udp, 53, to: 53, .v6, on: "cni0"),
        backEnd(nil, .tcp, 8000, to: 8080, .v4, on: nil), backEnd(nil, .tcp, 8000, to: 8080, .v6, on: nil),
      ])
    #expect(try fixture.kernel.addresses(of: "lo", on: .host) == ["10.1.0.250/32"])
    #expect(
      try fixture.kernel.addresses(of: "cni0", on: .host).filter { $0.family == .v6 } == [
        "fd00:1::1/64", "fd00:1::fa/128",
      ])
    try fixture.plugin.check(fixture.call(config))
    fixture.kernel.filter = FakeFilter()
    #expect(throws: CNIError.self) { try fixture.plugin.check(fixture.call(config)) }
  }

  @Test(arguments: [
    (#"{"tcp":8081}"#, HealthCheck(8081)), (#"{"http":"/live"}"#, HealthCheck(8080, path: "/live")),
    (#"{"http":"/?a=b","port":9}"#, HealthCheck(9, path: "/?a=b")),
  ])
  func `the record of a back-end has its health check`(text: String, check: HealthCheck) throws {
    let fixture = Fixture()
    var document = try #require(try CNIJSON.decodeValue(Array(config.utf8)).object)
    document["health"] = try CNIJSON.decodeValue(Array(text.utf8))
    _ = try fixture.add(JSONValue.object(document).text)
    let backEnds = try fixture.backEnds
    #expect(backEnds.count == 6 && backEnds.allSatisfy { $0.health == check })
    let record = RuleSet(fixture.owner, .services, backEnds.map { .balance($0) })
    #expect(try CNIJSON.decode(RuleSet.self, from: record.json.bytes) == record)
  }

  @Test func `the timeout of a health check is at most its interval by default`() throws {
    let timeouts = try [1, 2, 9].map {
      try HealthCheck(JSONReader(.object(["tcp": .integer(80), "interval": .integer($0)]))).timeout
    }
    #expect(timeouts == [1, 2, 2])
  }

  @Test func `DEL needs no configuration, and leaves an address that the host had`() throws {
    let fixture = Fixture()
    let spec = AddressSpec("10.1.0.250/32", on: "lo", .host)
    fixture.kernel.state.addresses.append(spec)
    _ = try fixture.add(config)
    try fixture.delete(nil, path: nil)
    #expect(fixture.ruleSets.isEmpty)
    #expect(try fixture.kernel.addresses(of: "lo", on: .host) == ["10.1.0.250/32"])
    #expect(try fixture.kernel.addresses(of: "cni0", on: .host).filter { $0.family == .v6 } == ["fd00:1::1/64"])
    try fixture.delete(config, path: nil)
  }

  @Test func `a container without an address of the family is refused`() throws {
    var fixture = Fixture()
    fixture.previous.ips.removeLast()
    let error = #expect(throws: CNIError.self) { try fixture.add(config) }
    #expect(error?.code == .invalidNetworkConfig && error?.message.contains("fd00:1::fa") == true)
    #expect(fixture.kernel.applied.isEmpty)
  }

  @Test func `a published port that a process or another attachment has is refused`() throws {
    let fixture = Fixture()
    fixture.kernel.sockets[.tcp] = [Listener("::", 8000, inode: 7)]
    let bound = #expect(throws: CNIError.self) { try fixture.add(config) }
    #expect(bound?.code == .portInUse && bound?.message.hasSuffix("want another port") == true)
    fixture.kernel.sockets = [:]
    let port = PublishedPort(.tcp, hostIP: "192.0.2.1", hostPort: 8000, to: "10.1.0.5", 80)
    fixture.kernel.filter.ruleSets = [RuleSet(fixture.owner, .ports, [.publish(port)], backend: .nftables)]
    let published = #expect(throws: CNIError.self) { try fixture.add(config) }
    #expect(published?.code == .portInUse)
    #expect(fixture.kernel.applied.isEmpty)
  }
}
