import CNI
import NetTypes
import PacketFilter
import TestSupport
import Testing
@testable import portmap

/// Configurations and their settings.
@Suite struct ConfigTests {
  private func settings(_ json: String) throws -> PortmapSettings {
    try PortmapSettings(try Fixture().config(json))
  }

  private static func tcp(
    _ host: UInt16?, _ inside: UInt16, _ place: String = "runtimeConfig.portMappings[0]", hostIP: IPAddress? = nil
  ) -> Mapping {
    Mapping(transport: .tcp, hostIP: hostIP, hostPort: host, containerPort: inside, configKey: place)
  }

  @Test(
    arguments: [
      (#"{"hostPort":8080,"containerPort":80,"protocol":"tcp"}"#, [tcp(8080, 80)]),
      (#"{"HostPort":8080,"ContainerPort":80,"Protocol":"TCP","HostIP":""}"#, [tcp(8080, 80)]),
      (#"{"hostPort":8080,"containerPort":80}"#, [tcp(8080, 80)]),
      (#"{"hostPort":8080,"containerPort":80,"protocol":""}"#, [tcp(8080, 80)]),
      (#"{"hostPort":1,"containerPort":65535,"hostIP":"::1"}"#, [tcp(1, 65535, hostIP: "::1")]),
      (#"{"hostPort":0,"containerPort":80}"#, [tcp(nil, 80)]), (#"{"containerPort":80}"#, [tcp(nil, 80)]),
      (#"{"hostPort":null,"containerPort":80,"hostIP":null}"#, [tcp(nil, 80)]),
      (#"{"hostPort":8000,"hostPortEnd":8002,"containerPort":80}"#, [tcp(8000, 80), tcp(8001, 81), tcp(8002, 82)]),
      (#"{"hostPort":8000,"containerPort":80,"containerPortEnd":81}"#, [tcp(8000, 80), tcp(8001, 81)]),
      (
        #"{"hostPort":65534,"hostPortEnd":65535,"containerPort":1,"containerPortEnd":2}"#,
        [tcp(65534, 1), tcp(65535, 2)]
      ),
      (#"{"containerPort":80,"containerPortEnd":81}"#, [tcp(nil, 80), tcp(nil, 81)]),
    ])
  func `all spellings of a mapping are accepted`(json: String, expected: [Mapping]) throws {
    #expect(try settings(mappings(json)).mappings == expected)
  }

  @Test(arguments: ["udp,tcp", "UDP, TCP"])
  func `a Mesos mapping with two protocols becomes two mappings`(text: String) throws {
    let json =
      #"{"args":{"org.apache.mesos":{"network_info":{"port_mappings":[{"host_port":31000,"container_port":80,"protocol":""#
      + text + #""}]}}}}"#
    let place = #"args.org.apache.mesos.network_info.port_mappings[0]"#
    #expect(
      try settings(json).mappings == [
        Mapping(transport: .udp, hostPort: 31000, containerPort: 80, configKey: place), Self.tcp(31000, 80, place),
      ])
  }

  @Test(arguments: [
    "{}", #"{"runtimeConfig":{}}"#, #"{"runtimeConfig":{"portMappings":null}}"#,
    #"{"runtimeConfig":{"portMappings":[]}}"#, #"{"args":null,"runtimeConfig":null}"#, #"{"publishAll":true}"#,
    #"{"runtimeConfig":{"exposedPorts":["80"]}}"#, #"{"backend":"","snat":true,"hostPortRange":"49000-49900"}"#,
    #"{"args":{"org.apache.mesos":{"network_info":{"port_mappings":[]}}}}"#,
  ])
  func `a configuration without mappings publishes nothing`(json: String) throws {
    #expect(try settings(json).isEmpty)
  }

  @Test func `mappings in runtimeConfig override those in args.cni`() throws {
    let json = #"""
      {"runtimeConfig":{"portMappings":[{"hostPort":1,"containerPort":1}]},
       "args":{"cni":{"portMappings":[{"hostPort":2,"containerPort":2}]}}}
      """#
    #expect(try settings(json).mappings == [Self.tcp(1, 1)])
    let other = #"{"args":{"cni":{"portMappings":[{"hostPort":2,"containerPort":2}]}}}"#
    #expect(try settings(other).mappings == [Self.tcp(2, 2, "args.cni.portMappings[0]")])
  }

  @Test func `publishAll publishes exposed ports that are not mapped`() throws {
    let json = mappings(
      #"{"hostPort":8080,"containerPort":80}"#,
      #""publishAll":true,"args":{"cni":{"exposedPorts":["80","80/udp",443,{"port":53,"protocol":"UDP"}]}}"#)
    func exposed(_ transport: TransportProtocol, _ port: UInt16, _ number: Int) -> Mapping {
      Mapping(transport: transport, containerPort: port, configKey: "args.cni.exposedPorts[\(number)]")
    }
    #expect(
      try settings(json).mappings == [
        Self.tcp(8080, 80), exposed(.udp, 80, 1), exposed(.tcp, 443, 2), exposed(.udp, 53, 3),
      ])
  }

  @Test func `defaultHostIP applies to mappings without an address`() throws {
    let json = mappings(
      #"{"hostPort":1,"containerPort":1},{"hostPort":2,"containerPort":2,"hostIP":"0.0.0.0"}"#,
      #""defaultHostIP":"192.0.2.1""#)
    #expect(try settings(json).mappings.map(\.hostIP) == ["192.0.2.1", "0.0.0.0"])
    #expect(try settings(json).mappings.map(\.boundAddress) == ["192.0.2.1", nil])
  }

  @Test(
    arguments: [
      ("{}", nil), (#"{"backend":""}"#, nil), (#"{"backend":"nftables"}"#, .nftables),
      (#"{"backend":"iptables"}"#, .iptables), (#"{"conditionsV4":["-s","10.0.0.0/8"]}"#, .iptables),
      (#"{"conditionsV4":["!","-s","10.0.0.0/8"]}"#, .iptables),
      (#"{"conditionsV6":["ip6","saddr","{","fd00::1,","fd00::2","}"]}"#, .nftables),
      (#"{"conditionsV4":["iifname","\"eth0\""],"backend":"nftables"}"#, .nftables),
      (#"{"conditionsV4":[],"conditionsV6":null}"#, nil), (#"{"externalSetMarkChain":"KUBE-MARK-MASQ"}"#, .iptables),
      (#"{"conditionsV4":["-m","comment","--comment","a;b\"c"]}"#, .iptables),
    ] as [(String, Backend?)])
  func `conditions and chains choose the backend if none is configured`(json: String, backend: Backend?) throws {
    #expect(try settings(json).backend == backend)
  }

  @Test(
    arguments: [
      ("{}", .none), (#"{"markMasqBit":0}"#, .bit(0)), (#"{"markMasqBit":31}"#, .bit(31)),
      (#"{"externalSetMarkChain":"KUBE-MARK-MASQ"}"#, .chain("KUBE-MARK-MASQ")),
    ] as [(String, ReturnPath.Marking)])
  func `a mark is set only if it is configured`(json: String, marking: ReturnPath.Marking) throws {
    #expect(try settings(json).marking == marking)
  }

  @Test func `floatingIPs accepts addresses with and without a device`() throws {
    let json = #"""
      {"floatingDevice":"up0","runtimeConfig":{"floatingIPs":["192.0.2.7",{"ip":"192.0.2.8","device":"up1"}]}}
      """#
    let floats = try settings(json).floatingIPs
    #expect(floats.map(\.address) == ["192.0.2.7", "192.0.2.8"])
    #expect(floats.map(\.device) == ["up0", "up1"])
  }

  @Test(arguments: [
    ("32768\t60999", ["61000-65535", "1024-32767"]), ("1024 65535", []), ("10000 65535", ["1024-9999"]),
    ("1 100", ["101-65535"]),
  ])
  func `ports are chosen outside the host's ephemeral port range`(range: String, expected: [String]) {
    #expect(PortChooser.unprivilegedRanges(outside: range).map(\.description) == expected)
  }
}
