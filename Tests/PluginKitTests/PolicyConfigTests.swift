import CNI
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing

@Suite struct PolicyConfigTests {
  private func policy(_ text: String) throws -> PolicyConfig {
    try PolicyConfig(JSONReader(try CNIJSON.decodeValue(Array(text.utf8)), path: "policy"))
  }

  @Test func `lists become permissions`() throws {
    let policy = try policy(
      #"""
      {"default": "deny", "log": true, "logGroup": 5,
       "ingress": [{"from": {"network": "front"}, "ports": ["514", "8000-8100/tcp"]}, {"from": {"label": "tier=web"}}],
       "egress": [{"to": {"cidr": "192.0.2.0/24"}}, {}]}
      """#)
    #expect(
      policy.ingress == [
        .init(.network("front"), [PortSpan(514...514), PortSpan(8000...8100, .tcp)]),
        .init(.label(Label(key: "tier", value: "web"))),
      ])
    #expect(policy.egress == [.init(.prefix("192.0.2.0/24")), .init(.anyone)])
    #expect(policy.logGroup == 5)
  }

  @Test func `without lists everything is denied, or allowed by default allow`() throws {
    #expect(try policy("{}").ingress == [])
    #expect(try policy(#"{"egress": [{}]}"#).ingress == [])
    #expect(try policy(#"{"default": "allow"}"#).egress == nil)
  }

  /// A policy, and what the error says.
  private static let refused = [
    (#"{"ingres": []}"#, #"key "policy.ingres": unknown"#), (#"{"default": "open"}"#, "want deny or allow"),
    (#"{"default": "allow", "ingress": []}"#, #"they need "deny""#),
    (#"{"ingress": [{"form": {"network": "a"}}]}"#, #"key "policy.ingress[0].form": unknown"#),
    (#"{"ingress": [{"to": {"network": "a"}}]}"#, #"key "policy.ingress[0].to": unknown"#),
    (#"{"ingress": [{"from": {}}]}"#, "want network, label or cidr"),
    (#"{"ingress": [{"from": {"label": ""}}]}"#, "want network, label or cidr"),
    (#"{"ingress": [{"from": "front"}]}"#, "want an object"),
    (#"{"ingress": [{"from": {"network": "a", "cidr": "10.0.0.0/8"}}]}"#, "want one of network, label and cidr"),
    (#"{"ingress": [{"from": {"label": "tier"}}]}"#, "want a label"),
    (#"{"egress": [{"to": {"cidr": "10.0.0.0/33"}}]}"#, "policy.egress[0].to.cidr"),
    (#"{"egress": [{"ports": []}]}"#, "want one port or more"), (#"{"egress": [{"ports": ["0/tcp"]}]}"#, "want a port"),
    (#"{"egress": [{"ports": ["9-8"]}]}"#, "want a port"), (#"{"egress": [{"ports": ["80/icmp"]}]}"#, "want a port"),
    (#"{"logGroup": 1}"#, "policy.logGroup"), (#"{"log": true, "logGroup": 65536}"#, "want 0 to 65535"),
    (#"{"ingress": {}}"#, "want a list"),
  ]

  @Test(arguments: refused)
  func `a policy that could allow too much is refused`(text: String, message: String) {
    let error = #expect(throws: CNIError.self) { try policy(text) }
    #expect(error?.code == .invalidNetworkConfig)
    #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
  }

  @Test func `a policy that names its own network is refused`() throws {
    let policy = try policy(#"{"ingress": [{"from": {"network": "front"}}]}"#)
    try policy.check(in: "app")
    #expect(throws: CNIError.self) { try policy.check(in: "front") }
    #expect(throws: CNIError.self) { try policy.check(in: "front", separated: true) }
  }

  @Test(arguments: [
    (#"{"ingress": [{"from": {"network": "app"}}], "egress": [{"to": {"network": "app"}}]}"#, true),
    (#"{"ingress": [{"from": {"network": "app"}}], "egress": [{"to": {"label": "a=b"}}]}"#, true),
    (#"{"ingress": [{"from": {"label": "a=b"}}], "egress": [{}]}"#, false),
    (#"{"ingress": [{"from": {"network": "db"}}], "egress": [{"to": {"network": "app"}}]}"#, false),
    (#"{"default": "allow"}"#, false),
  ])
  func `a policy is for its own network if both lists can open connections in it`(text: String, isForOwn: Bool) throws {
    #expect(try policy(text).isForOwn("app") == isForOwn)
  }
}
