import CNI
import LabSupport
import Testing

@Suite(.needsRoot)
struct BadConfigTests {
  /// The usual configuration, cut off after every eleventh byte.
  static let truncated = stride(from: 0, to: BadCall.base.count - 1, by: 11).map { length in
    BadCall.text("first \(length) bytes", String(BadCall.base.prefix(length)), 6, "not valid JSON")
  }

  @Test(arguments: truncated)
  func `a truncated configuration is refused`(call: BadCall) throws { try call.expectRefusal() }

  static let documents: [BadCall] = [
    .text("a list", "[]", 6, "JSON"), .text("a number", "5", 6, "JSON"), .text("null", "null", 6, "JSON"),
    .text("a string", #""text""#, 6, "JSON"), .text("two documents", BadCall.base + BadCall.base, 6, "not valid JSON"),
    .text("a tail", BadCall.base + " tail", 6, "not valid JSON"), .text("NUL", "\0", 6, "not valid JSON"),
    .text("a comment", "// comment\n" + BadCall.base, 6, "not valid JSON"),
    .text("single quotes", "{'name': 'net'}", 6, "not valid JSON"),
    .text("deep lists", String(repeating: "[", count: 100_000), 6, "not valid JSON"),
    .text("deep objects", String(repeating: #"{"a":"#, count: 100_000), 6, "not valid JSON"),
    .text("a deep member", #"{"name": "net", "x": "# + String(repeating: "[", count: 5000), 6, "not valid JSON"),
  ]

  @Test(arguments: documents)
  func `a configuration that is not a JSON object is refused`(call: BadCall) throws { try call.expectRefusal() }

  static let flags = [
    "isGateway", "isDefaultGateway", "forceAddress", "hairpinMode", "promiscMode", "portIsolation", "enabledad",
    "disableContainerInterface", "macFromIP", "ipMasq", "macspoofchk",
  ].flatMap { key in
    [#""yes""#, "1", "[true]"].map { BadCall.keys(#"{"\#(key)": \#($0)}"#, 7, "\"\(key)\"", $0, "true or false") }
  }

  @Test(arguments: flags)
  func `a flag must be true or false`(call: BadCall) throws { try call.expectRefusal() }

  static let numbers: [BadCall] = [
    .keys(#"{"mtu": "high"}"#, 7, "\"mtu\"", "high", "number"), .keys(#"{"mtu": true}"#, 7, "\"mtu\"", "number"),
    .keys(#"{"mtu": [1500]}"#, 7, "\"mtu\"", "number"), .keys(#"{"mtu": 1.5}"#, 7, "\"mtu\"", "1.5", "whole number"),
    .keys(#"{"mtu": -1}"#, 7, "\"mtu\": -1", "68 to 65535"), .keys(#"{"mtu": 67}"#, 7, "\"mtu\": 67", "68 to 65535"),
    .keys(#"{"mtu": 65536}"#, 7, "\"mtu\": 65536", "68 to 65535"),
    .keys(#"{"mtu": 99999999999999999999}"#, 7, "\"mtu\"", "whole number"),
    .keys(#"{"mtu": 1e300}"#, 7, "\"mtu\"", "whole number"),
    .keys(#"{"MTU": 67}"#, 7, "67", "68 to 65535"),
    .keys(#"{"gwPriority": "high"}"#, 7, "\"gwPriority\"", "number"),
    .keys(#"{"gwPriority": 100}"#, 7, "\"gwPriority\": 100", "99"),
    .keys(#"{"gwPriority": -1000001}"#, 7, "\"gwPriority\": -1000001"),
    .keys(#"{"gwPriority": 0.5}"#, 7, "\"gwPriority\"", "whole number"),
    .keys(#"{"vlan": 4095}"#, 7, "\"vlan\"", "4095"), .keys(#"{"vlan": -1}"#, 7, "\"vlan\"", "-1"),
    .keys(#"{"vlan": "five"}"#, 7, "\"vlan\"", "five"),
  ]

  @Test(arguments: numbers)
  func `a number must be whole and in range`(call: BadCall) throws { try call.expectRefusal() }

  static let combinations: [BadCall] = [
    .keys(#"{"hairpinMode": true, "promiscMode": true}"#, 7, "hairpinMode", "promiscMode"),
    .keys(#"{"disableContainerInterface": true}"#, 7, "disableContainerInterface", "ipam"),
    .keys(
      #"{"mtu": 1000, "ipam": {"type": "host-local", "dataDir": "DIR/networks", "ranges": [[{"subnet": "fd77::/64"}]]}}"#,
      7, "1000", "1280"),
    .keys(
      #"{"macFromIP": true, "ipam": {"type": "host-local", "dataDir": "DIR/networks", "ranges": [[{"subnet": "fd77::/64"}]]}}"#,
      7, "macFromIP", "IPv4"),
  ]

  @Test(arguments: combinations)
  func `keys that contradict each other are refused`(call: BadCall) throws { try call.expectRefusal() }

  static let versions = [#""0.5.0""#, #""1.2.0""#, #""1.1""#, #""latest""#, #"" 1.1.0""#, #""1.1.0\n""#].map {
    BadCall.keys(#"{"cniVersion": \#($0)}"#, 1, "incompatible CNI versions", "0.1.0", "1.1.0")
  }

  @Test(arguments: versions)
  func `an unknown version is refused`(call: BadCall) throws { try call.expectRefusal() }
}
