import CNI
import IPAM
import NetTypes
import Testing

func decoded(_ json: String) throws -> HostLocalConfig {
  try CNIJSON.decode(HostLocalConfig.self, from: Array(json.utf8))
}

/// The range sets of a configuration with the members `text` in `ipam`.
func sets(_ text: String, around: String = "", version: String = "1.1.0", bridge: [IPPrefix] = []) throws -> [RangeSet]
{
  let json = #"{"cniVersion": "\#(version)", "name": "net", \#(around) "ipam": {"type": "host-local", \#(text)}}"#
  return try decoded(json).rangeSets(bridgeAddresses: bridge)
}

func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

@Suite struct ConfigTests {
  @Test(
    arguments: [
      (#""subnet": "10.1.0.0/24""#, "10.1.0.1-10.1.0.254", "10.1.0.1", 253),
      (#""subnet": "10.1.0.0/24", "gateway": "10.1.0.254""#, "10.1.0.1-10.1.0.254", "10.1.0.254", 253),
      (#""subnet": "10.1.0.0/24", "gateway": "10.9.0.1""#, "10.1.0.1-10.1.0.254", "10.9.0.1", 254),
      (
        #""subnet": "10.1.0.0/24", "rangeStart": "10.1.0.20", "rangeEnd": "10.1.0.29""#, "10.1.0.20-10.1.0.29",
        "10.1.0.1", 10
      ),
      (
        #""subnet": "10.1.0.0/24", "rangeStart": "10.1.0.0", "rangeEnd": "10.1.0.255""#, "10.1.0.0-10.1.0.255",
        "10.1.0.1", 254
      ),
      (#""subnet": "10.1.0.0/30""#, "10.1.0.1-10.1.0.2", "10.1.0.1", 1),
      (#""subnet": "10.1.0.0/31""#, "10.1.0.0-10.1.0.1", "10.1.0.0", 1),
      (#""subnet": "10.1.0.0/31", "gateway": "10.9.0.1""#, "10.1.0.0-10.1.0.1", "10.9.0.1", 2),
      (#""subnet": "10.1.0.7/32""#, "10.1.0.7-10.1.0.7", nil, 1),
      (#""subnet": "10.1.0.7/32", "gateway": "10.9.0.1""#, "10.1.0.7-10.1.0.7", "10.9.0.1", 1),
      (#""subnet": "fd00::/120""#, "fd00::1-fd00::ff", "fd00::1", 254),
      (#""subnet": "fd00::/127""#, "fd00::-fd00::1", "fd00::", 1),
      (#""subnet": "fd00::7/128""#, "fd00::7-fd00::7", nil, 1),
      (
        #""subnet": "10.1.0.0/24", "exclude": ["10.1.0.9", "10.1.0.16/30", "10.1.0.250-10.1.0.254"]"#,
        "10.1.0.1-10.1.0.254", "10.1.0.1", 243
      ),
      (#""ranges": [[{"subnet": "10.1.0.0/24", "exclude": ["10.1.0.0/25"]}]]"#, "10.1.0.1-10.1.0.254", "10.1.0.1", 127),
      (#""SUBNET": "10.1.0.0/24", "RangeStart": "", "gateway": null"#, "10.1.0.1-10.1.0.254", "10.1.0.1", 253),
    ] as [(String, String, String?, Int)])
  func `a range has defaults for missing keys`(text: String, span: String, gateway: String?, capacity: Int) throws {
    let set = try #require(try sets(text).first)
    #expect(set.description == span)
    #expect(set.ranges[0].gateway?.description == gateway)
    #expect(set.capacity == UInt128(capacity))
  }

  @Test func `range sets come from runtimeConfig, then from subnet, then from ranges`() throws {
    let found = try sets(
      #""subnet": "10.2.0.0/24", "ranges": [[{"subnet": "10.3.0.0/24"}, {"subnet": "10.4.0.0/24"}], [{"subnet": "fd00::/64"}]]"#,
      around: #""runtimeConfig": {"ipRanges": [[{"subnet": "10.1.0.0/24"}]]},"#)
    #expect(found.map(\.key) == ["runtimeConfig.ipRanges[0]", "ipam.subnet", "ipam.ranges[0]", "ipam.ranges[1]"])
    #expect(found.map(\.ranges.count) == [1, 1, 2, 1])
    #expect(
      found.map(\.ranges[0].key) == ["runtimeConfig.ipRanges[0][0]", "ipam", "ipam.ranges[0][0]", "ipam.ranges[1][0]"])
  }

  @Test func `without ranges the bridge's addresses give the ranges`() throws {
    let bridge = try [prefix("192.168.5.1/24"), prefix("192.168.6.1/24"), prefix("fd00:5::1/64")]
    let found = try sets(#""rangeStart": "192.168.5.10""#, around: #""type": "bridge","#, bridge: bridge)
    #expect(found.map(\.description) == ["192.168.5.10-192.168.5.254", "fd00:5::1-fd00:5::ffff:ffff:ffff:ffff"])
    #expect(found.map(\.ranges[0].gateway) == [try address("192.168.5.1"), try address("fd00:5::1")])
  }

  @Test(
    arguments: [
      (#""type": "bridge","#, #""sticky": true"#, "cni0"),
      (#""type": "bridge", "bridge": "br1","#, #""sticky": true"#, "br1"),
      (#""type": "ptp","#, #""sticky": true"#, nil), (#""type": "bridge","#, #""subnet": "10.1.0.0/24""#, nil),
    ] as [(String, String, String?)])
  func `bridge addresses are read only with a bridge and without a subnet`(around: String, text: String, name: String?)
    throws
  {
    let json = #"{\#(around) "ipam": {\#(text)}}"#
    let config = try CNIJSON.decode(HostLocalConfig.self, from: Array(json.utf8))
    #expect(config.subnetBridge?.description == name)
  }

  @Test func `an automatic subnet replaces the word auto`() throws {
    let json = #"{"cniVersion": "1.0.0", "ipam": {"ranges": [[{"subnet": "auto"}], [{"subnet": "auto-ipv6"}]]}}"#
    let config = try CNIJSON.decode(HostLocalConfig.self, from: Array(json.utf8))
    #expect(config.automaticFamilies == [.v4, .v6])
    let chosen = try config.rangeSets(autoSubnets: [.v4: prefix("172.17.0.0/16"), .v6: prefix("fd00::/64")])
    #expect(chosen.map(\.ranges[0].subnet.description) == ["172.17.0.0/16", "fd00::/64"])
  }
}
