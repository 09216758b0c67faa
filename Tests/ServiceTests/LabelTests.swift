import CNI
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing

@testable import service

/// Labels `VIP_n`, by which Marathon and DC/OS give an application a virtual address.
@Suite struct LabelTests {
  private static let ranges = #""vipRange":["10.5.0.0/16","fd00:5::/64"]"#

  private func config(_ labels: [String: String], mesos: Bool = false, _ keys: String = ranges) -> String {
    let list = labels.map { #"{"key":"\#($0.key)","value":"\#($0.value)"}"# }.joined(separator: ",")
    let args =
      mesos
      ? #""org.apache.mesos":{"network_info":{"labels":{"labels":[\#(list)]},"port_mappings":[{"host_port":31000,"container_port":8080,"protocol":"tcp"},{"host_port":31001,"container_port":53,"protocol":"udp"}]}}"#
      : #""cni":{"labels":[\#(list)]}"#
    return #"{\#(keys),"args":{\#(args)}}"#
  }

  private func backEnds(_ config: String) throws -> [BackEnd] {
    let fixture = Fixture()
    _ = try fixture.add(config)
    try fixture.plugin.check(fixture.call(config))
    return try fixture.backEnds
  }

  @Test func `a name gets the same addresses of the ranges for each container`() throws {
    let first = try backEnds(config(["VIP_0": "/web:80", "name": "c1"])),
      second = try backEnds(config(["VIP_7": "web:80"]))
    #expect(first == second)
    #expect(first.map(\.family) == [.v4, .v6] && first.allSatisfy { $0.service == "web" && $0.targetPort == 80 })
    let ranges: [IPPrefix] = ["10.5.0.0/16", "fd00:5::/64"]
    for (backEnd, range) in zip(first, ranges) {
      let address = try #require(backEnd.address)
      #expect(range.contains(address) && address != range.first && address != range.last)
    }
    #expect(try backEnds(config(["VIP_0": "/shop:80"])).map(\.address) != first.map(\.address))
  }

  @Test func `an address is taken as it is, and Mesos' port mapping of that index names the container's port`() throws {
    let mapped = try backEnds(config(["VIP_0": "10.5.255.10:80", "VIP_1": "[fd00:5::10]:5353"], mesos: true))
    #expect(
      mapped.map { "\($0)" } == ["10.1.0.5:8080 for 10.5.255.10:80/tcp", "[fd00:1::5]:53 for [fd00:5::10]:5353/udp"])
  }

  @Test func `a container without such labels is no back-end, or only one of the configured service`() throws {
    #expect(try backEnds(config(["name": "c1"])) == [])
    let own = #""service":"web","vip":["10.1.0.250"],"ports":[{"port":80}],\#(Self.ranges)"#
    #expect(try backEnds(config(["name": "c1"], own)).map(\.service) == ["web"])
    #expect(try backEnds(config(["VIP_0": "/shop:80"], own)).map(\.service) == ["web", "shop", "shop"])
  }

  @Test(
    arguments: [
      "web", "/web", "/web:0", "/web:65536", "/web:x", "/Web:80", "/a/b:80", ":80", "10.6.0.1:80", "[fd00:6::1]:80",
      "10.5.0.256:80", "/web:80/tcp",
    ])
  func `another value is refused with the label`(value: String) throws {
    let error = #expect(throws: CNIError.self) { try Fixture().add(config(["VIP_0": value])) }
    #expect(error?.code == .invalidNetworkConfig && error?.message.contains(#"label "VIP_0": "\#(value)""#) == true)
  }

  @Test(
    arguments: [
      #""vipRange":["10.5.0.0/16","10.6.0.0/16"]"#, #""vipRange":["10.5.0.0/31"]"#, #""vipRange":["10.5.0.0"]"#,
      #""vip":["10.1.0.250"],"vipRange":["10.5.0.0/16"]"#, #""publish":[{"hostPort":80}],"vipRange":["10.5.0.0/16"]"#,
    ])
  func `a wrong range, or half a service, is refused`(keys: String) throws {
    let error = #expect(throws: CNIError.self) { try Fixture().add(config([:], keys)) }
    #expect(error?.code == .invalidNetworkConfig)
  }
}
