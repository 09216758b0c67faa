import CNI
import IPAM
import NetTypes
import Testing

/// Members beside `ipam`, members of `ipam`, and the message.
private let badAround: [(String, String, String)] = [
  (
    #""runtimeConfig": {"ipRanges": [[{"subnet": "10.1.0.5/24"}]]},"#, #""x": 1"#,
    "runtimeConfig.ipRanges[0][0].subnet 10.1.0.5/24: host bits are set: want 10.1.0.0/24"
  ),
  (
    #""runtimeConfig": {"ipRanges": [[]]},"#, #""subnet": "10.1.0.0/24""#,
    "runtimeConfig.ipRanges[0]: an empty range set: want at least one range"
  ),
  (
    #""runtimeConfig": {"ipRanges": {}},"#, #""subnet": "10.1.0.0/24""#,
    #"key "runtimeConfig.ipRanges": {}: want a list"#
  ),
  (
    #""runtimeConfig": {"ipRanges": [[{"subnet": "10.1.0.0/25"}]]},"#, #""subnet": "10.1.0.0/24""#,
    "ipam.subnet overlaps runtimeConfig.ipRanges[0]: 10.1.0.1-10.1.0.254 and 10.1.0.1-10.1.0.126"
  ),
  (
    #""type": "bridge","#, #""x": 1"#,
    #"key "ipam": no IP ranges, and bridge cni0 has no address to take them from: want subnet or ranges"#
  ),
  (
    #""type": "bridge", "bridge": "br7","#, #""x": 1"#,
    #"key "ipam": no IP ranges, and bridge br7 has no address to take them from: want subnet or ranges"#
  ),
  (
    #""bridge": "a/b","#, #""x": 1"#,
    #"key "bridge": "a/b": want an interface name of 1 to 15 bytes without '/', ':', '%', '*' or white space, not '.' or '..'"#
  ),
]

@Suite struct BadConfigTests {
  @Test(arguments: badConfigs) func `a wrong key is refused with its value and the expected form`(
    text: String, message: String
  )
    throws
  {
    let error = #expect(throws: CNIError.self) { _ = try sets(text) }
    #expect(error?.message == message)
    #expect(error?.code == (message.hasSuffix("no unused subnet is left") ? .poolExhausted : .invalidNetworkConfig))
  }

  @Test(arguments: badAround) func `a wrong key outside ipam is refused`(around: String, text: String, message: String)
    throws
  {
    let error = #expect(throws: CNIError.self) { _ = try sets(text, around: around) }
    #expect(error == CNIError(.invalidNetworkConfig, message))
  }

  @Test(arguments: ["0.1.0", "0.2.0"])
  func `versions with one address per family refuse two range sets of one family`(version: String) throws {
    let ranges = #"[[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}], [{"subnet": "10.2.0.0/24"}]]"#
    let error = #expect(throws: CNIError.self) { _ = try sets(#""ranges": \#(ranges)"#, version: version) }
    let message =
      "CNI version \(version): 2 IPv4 range sets: its result has one address per family: want cniVersion 0.3.0 or later"
    #expect(error == CNIError(.invalidNetworkConfig, message))
    #expect(try sets(#""ranges": \#(ranges)"#, version: "0.3.0").count == 3)
  }

  @Test(arguments: ["{}", #"{"ipam": null}"#]) func `a configuration without ipam is refused`(json: String) throws {
    let config = try decoded(json)
    let error = #expect(throws: CNIError.self) { _ = try config.rangeSets() }
    #expect(
      error == CNIError(.invalidNetworkConfig, #"key "ipam": missing: want an object with subnet or ranges"#))
  }
}
