import CNI
import Foundation
import NetTypes
import Testing

@Suite struct ResultTests {
  /// A result with every key.
  static let full: AddResult = {
    var inside = AddResult.Interface(name: "eth0", mac: "02:42:0a:01:00:05", mtu: 1400, sandbox: "/run/netns/c1")
    inside.socketPath = "/run/vhost.sock"
    inside.pciID = "0000:00:1f.6"
    var route = Route(dst: prefix("10.9.0.0/16"), gw: IPAddress("10.1.0.9"), priority: 77)
    (route.mtu, route.advmss, route.table, route.scope) = (1300, 1200, 1000, 0)
    return AddResult(
      interfaces: [.init(name: "br0", mac: "02:00:00:00:00:01", mtu: 1500), inside],
      ips: [
        .init(interface: 1, address: prefix("10.1.0.5/24"), gateway: IPAddress("10.1.0.1")),
        .init(interface: 1, address: prefix("fd00:1::5/64"), gateway: IPAddress("fd00:1::1")),
        .init(interface: 1, address: prefix("10.1.0.6/24")),
      ],
      routes: [Route(dst: prefix("0.0.0.0/0")), route, Route(dst: prefix("::/0"), gw: IPAddress("fd00:1::1"))],
      dns: DNS(nameservers: ["10.1.0.1"], domain: "example.com", search: ["example.com"], options: ["ndots:1"]))
  }()

  static func prefix(_ text: String) -> IPPrefix { IPPrefix(text) ?? .everything(.v4) }

  static func golden(_ name: String) throws -> JSONValue {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")
    return try CNIJSON.decodeValue(Array(Data(contentsOf: folder.appending(path: "\(name).json"))))
  }

  @Test(arguments: SpecVersion.allCases)
  func `each version has its own result format`(version: SpecVersion) throws {
    #expect(try Self.full.json(version) == Self.golden("full-\(version.rawValue)"))
  }

  @Test(arguments: SpecVersion.allCases)
  func `a result without addresses has a format in each version`(version: SpecVersion) throws {
    let link = AddResult(interfaces: [.init(name: "eth0", sandbox: "/run/netns/c1")])
    #expect(try link.json(version) == Self.golden("link-\(version.rawValue)"))
  }

  @Test(arguments: SpecVersion.allCases)
  func `a result is read back as it was written in each version`(version: SpecVersion) throws {
    let bytes = Self.full.json(version).bytes
    let read = try CNIJSON.decode(PrintedResult.self, from: bytes)
    #expect(read.cniVersion == version.rawValue)
    #expect(read.result.json(version).bytes == bytes)
    if version == .latest { #expect(read.result == Self.full) }
  }

  @Test(arguments: SpecVersion.allCases)
  func `chosen ports are in the result from version 0.3.0 on`(version: SpecVersion) throws {
    var result = AddResult()
    result.portMappings = [
      AllocatedPort(.tcp, hostPort: 49153, containerPort: 80),
      AllocatedPort(.udp, hostIP: IPAddress("192.0.2.1"), hostPort: 49154, containerPort: 53),
    ]
    let wire = result.json(version)
    guard version >= .v0_3_0 else { return #expect(wire == AddResult().json(version)) }
    let expectedPorts = #"""
      [{"hostPort":49153,"containerPort":80,"protocol":"tcp"},
       {"hostIP":"192.0.2.1","hostPort":49154,"containerPort":53,"protocol":"udp"}]
      """#
    #expect(try wire["portMappings"] == CNIJSON.decodeValue(Array(expectedPorts.utf8)))
    #expect(try CNIJSON.decode(PrintedResult.self, from: wire.bytes).result == result)
  }

  @Test(arguments: ["7", "[7]", #"[{"hostPort":0,"containerPort":80,"protocol":"tcp"}]"#])
  func `a portMappings key in another format is ignored`(text: String) throws {
    let read = try CNIJSON.decode(PrintedResult.self, from: Array("{\"portMappings\":\(text)}".utf8))
    #expect(read.result == AddResult())
  }

  @Test func `keys in upper and lower case and empty strings are read`() throws {
    let text =
      #"{"CNIVersion":"1.0.0","Interfaces":[{"Name":"eth0","Mac":""}],"IPS":[{"ADDRESS":"10.1.0.5/24","gateway":""}]}"#
    let read = try CNIJSON.decode(PrintedResult.self, from: Array(text.utf8))
    #expect(read.result.interfaces.map(\.name) == ["eth0"])
    #expect(read.result.ips == [.init(address: Self.prefix("10.1.0.5/24"))])
  }

  @Test(arguments: [
    (#"{"ips":[{"address":"10.1.0.5"}]}"#, "key \"ips[0].address\": \"10.1.0.5\": want \(IPPrefix.expectedForm)"),
    (#"{"ips":[{"address":"10.1.0.5/24","interface":"x"}]}"#, "key \"ips[0].interface\": \"x\": want a whole number"),
    (#"{"ips":{}}"#, "key \"ips\": {}: want a list"),
    (
      #"{"Routes":[{"dst":"::/0","GW":"nowhere"}]}"#,
      "key \"Routes[0].GW\": \"nowhere\": want \(IPAddress.expectedForm)"
    ),
    (
      #"{"interfaces":[{"name":"a"}],"ips":[{"address":"10.1.0.5/24","interface":1}]}"#,
      "key \"ips[0].interface\": 1: want one of the 1 interfaces"
    ),
  ])
  func `an invalid result is refused with key and value`(text: String, message: String) {
    #expect(throws: CNIError(.invalidNetworkConfig, message)) {
      try CNIJSON.decode(PrintedResult.self, from: Array(text.utf8))
    }
  }
}
