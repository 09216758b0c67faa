import CNI
import CNIRuntime
import NetTypes
import PluginKit
import Testing
import YAML

/// The key `policy` of each network, from YAML or JSON.
private func policies(
  _ text: String, network: String? = nil, separatesContainers: Bool = false
) throws -> [String] {
  try NetworkPolicies.read(YAML.documents(Array(text.utf8)), network: network.map { try valid($0) }).map {
    "\($0.network): \(try $0.config(separatesContainers: separatesContainers).json.text)"
  }
}

/// A document with these lines as its specification.
private func document(_ spec: String, namespace: String = "mgmt") -> String {
  let lines = spec.split(separator: "\n").map { "  \($0)\n" }.joined()
  return """
    apiVersion: networking.k8s.io/v1
    kind: NetworkPolicy
    metadata: {name: some, namespace: \(namespace)}
    spec:
      podSelector: {}
    \(lines)
    """
}

@Suite struct NetworkPolicyTests {
  @Test(arguments: [
    ("policyTypes: [Ingress]", #"{"egress":[{}],"ingress":[]}"#),
    ("policyTypes: [Ingress, Egress]", #"{"egress":[],"ingress":[]}"#),
    ("policyTypes: [Egress]", #"{"egress":[],"ingress":[{}]}"#),
    ("ingress: [{}]", #"{"egress":[{}],"ingress":[{}]}"#),
    ("egress: []", #"{"egress":[{}],"ingress":[]}"#),
    ("egress: [{}]", #"{"egress":[{}],"ingress":[]}"#),
    (
      "ingress:\n- ports: [{port: 514}, {protocol: UDP, port: 514}, {protocol: SCTP}, {port: 8000, endPort: 8100}]",
      #"{"egress":[{}],"ingress":[{"ports":["514/tcp","514/udp","1-65535/sctp","8000-8100/tcp"]}]}"#
    ),
    (
      "ingress:\n- from:\n  - podSelector: {matchLabels: {tier: web}}\n  - ipBlock: {cidr: 192.0.2.7/24}\n  ports: [{port: 80}]",
      #"{"egress":[{}],"ingress":[{"from":{"label":"tier=web"},"ports":["80/tcp"]},{"from":{"cidr":"192.0.2.0/24"},"ports":["80/tcp"]}]}"#
    ),
    (
      "ingress:\n- from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: front}}}]",
      #"{"egress":[{}],"ingress":[{"from":{"network":"front"}}]}"#
    ),
    (
      "policyTypes: [Egress]\negress:\n- to: [{ipBlock: {cidr: 10.0.0.0/30, except: [10.0.0.1/32]}}]",
      #"{"egress":[{"to":{"cidr":"10.0.0.0/32"}},{"to":{"cidr":"10.0.0.2/31"}}],"ingress":[{}]}"#
    ),
    ("ingress:\n- from: [{podSelector: {}}]", #"{"egress":[{}],"ingress":[]}"#),
    (
      "ingress:\n- from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: mgmt}}}]",
      #"{"egress":[{}],"ingress":[]}"#
    ),
  ])
  func `a document becomes the policy of the network that is its namespace`(spec: String, policy: String) throws {
    #expect(try policies(document(spec)) == ["mgmt: \(policy)"])
  }

  @Test func `documents of one network add up, and a direction is limited if one of them limits it`() throws {
    let documents = [
      document("ingress:\n- ports: [{port: 80}]"), document("policyTypes: [Ingress]", namespace: "front"),
      document("policyTypes: [Egress]\negress:\n- ports: [{port: 53}]"),
      document("ingress:\n- ports: [{port: 80}]\n- ports: [{port: 81}]"),
    ]
    #expect(
      try policies(documents.joined(separator: "---\n") + "---\n") == [
        #"mgmt: {"egress":[{"ports":["53/tcp"]}],"ingress":[{"ports":["80/tcp"]},{"ports":["81/tcp"]}]}"#,
        #"front: {"egress":[{}],"ingress":[]}"#,
      ])
  }

  @Test func `a list in JSON is read, and --network names the network of documents without one`() throws {
    let list = #"""
      {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "some"}, "spec": {"podSelector": {}}}]}
      """#
    #expect(try policies(list, network: "blue") == [#"blue: {"egress":[{}],"ingress":[]}"#])
    let missing = #"key "items[0].metadata.namespace": missing: want the network's name, or --network NAME"#
    #expect(throws: CNIError(.invalidNetworkConfig, missing)) { try policies(list) }
  }

  @Test(arguments: [
    ("podSelector: {matchLabels: {a: b}}", "spec.podSelector"),
    (
      "ingress: [{from: [{podSelector: {matchExpressions: []}}]}]",
      "spec.ingress[0].from[0].podSelector.matchExpressions"
    ),
    (
      "ingress: [{from: [{podSelector: {matchLabels: {a: b, c: d}}}]}]",
      "spec.ingress[0].from[0].podSelector.matchLabels"
    ),
    ("ingress: [{from: [{podSelector: {matchLabels: {a: 1}}}]}]", "spec.ingress[0].from[0].podSelector.matchLabels"),
    ("ingress: [{from: [{podSelector: {}, namespaceSelector: {}}]}]", "spec.ingress[0].from[0]"),
    ("ingress: [{from: [{}]}]", "spec.ingress[0].from[0]"),
    ("ingress: [{from: [{namespaceSelector: {}}]}]", "spec.ingress[0].from[0].namespaceSelector"),
    ("ingress: [{from: [{namespaceSelector: {matchLabels: {team: a}}}]}]", "spec.ingress[0].from[0].namespaceSelector"),
    ("ingress: [{from: [{ipBlock: {cidr: 10.0.0.0}}]}]", "spec.ingress[0].from[0].ipBlock.cidr"),
    (
      "ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/24, except: [10.0.1.0/25]}}]}]",
      "spec.ingress[0].from[0].ipBlock.except[0]"
    ),
    ("ingress: [{ports: [{port: http}]}]", "spec.ingress[0].ports[0].port"),
    ("ingress: [{ports: [{port: '80'}]}]", "spec.ingress[0].ports[0].port"),
    ("ingress: [{ports: [{port: 0}]}]", "spec.ingress[0].ports[0].port"),
    ("ingress: [{ports: [{port: 80, endPort: 79}]}]", "spec.ingress[0].ports[0].endPort"),
    ("ingress: [{ports: [{endPort: 79}]}]", "spec.ingress[0].ports[0].endPort"),
    ("ingress: [{ports: [{protocol: ICMP}]}]", "spec.ingress[0].ports[0].protocol"),
    ("ingress: [{to: []}]", "spec.ingress[0].to"),
    ("policyTypes: [Egress]\ningress: [{}]", "spec.ingress[0]"),
    ("policyTypes: [Both]", "spec.policyTypes[0]"),
    ("policyTypes: []", "spec.policyTypes"),
    ("order: 1", "spec.order"),
  ])
  func `what a policy cannot express is refused with its key`(spec: String, key: String) throws {
    let text = spec.hasPrefix("podSelector") ? document("").replacing("podSelector: {}", with: spec) : document(spec)
    let error = try #require(throws: CNIError.self) { try policies(text) }
    #expect(error.code == .invalidNetworkConfig && error.message.hasPrefix("key \"\(key)\": "), "\(error)")
    #expect(error.message.contains("want "))
  }

  @Test(arguments: [
    ("kind: NetworkPolicy", "kind: Pod", "key \"kind\": \"Pod\": want NetworkPolicy, or List"),
    ("networking.k8s.io/v1", "v1", "key \"apiVersion\": \"v1\": want networking.k8s.io/v1"),
    ("namespace: mgmt", "namespace: a/b", "key \"metadata.namespace\": \"a/b\": want "),
    ("spec:", "status: {}\nspec:", "key \"status\": {}: want no key but apiVersion, kind, metadata, spec"),
  ])
  func `other documents are refused`(old: String, new: String, message: String) throws {
    let text = document("ingress: []")
    let error = try #require(throws: CNIError.self) { try policies(text.replacing(old, with: new)) }
    #expect(error.message.hasPrefix(message), "\(error)")
    let second = try #require(throws: CNIError.self) { try policies("\(text)---\n" + text.replacing(old, with: new)) }
    #expect(second.message.hasPrefix("document 2: " + message))
  }

  @Test func `no document, another namespace than --network, and own containers that are kept apart are refused`()
    throws
  {
    for text in ["", "---\n", #"{"apiVersion": "v1", "kind": "List", "items": []}"#] {
      #expect(throws: CNIError(.invalidNetworkConfig, "no policy: want documents of kind NetworkPolicy")) {
        try policies(text)
      }
    }
    let other = try #require(throws: CNIError.self) { try policies(document(""), network: "front") }
    #expect(other.message == #"key "metadata.namespace": "mgmt": want none, or that of --network front"#)
    let own = "ingress: [{from: [{podSelector: {}}]}]"
    let apart = try #require(throws: CNIError.self) { try policies(document(own), separatesContainers: true) }
    #expect(apart.message.hasPrefix("network mgmt: its configuration keeps its containers apart"))
    #expect(try policies(document("ingress: []"), separatesContainers: true).count == 1)
  }

  @Test(arguments: [
    ("ingress: [{from: [{podSelector: {}}]}]", false), ("ingress: [{}]", false), ("ingress: []", true),
    ("ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]", true),
    ("ingress: [{from: [{podSelector: {}}]}]\negress: [{ports: [{port: 80}]}]", true),
  ])
  func `documents that deny what the bridge lets through are known`(spec: String, limits: Bool) throws {
    let read = try NetworkPolicies.read(YAML.documents(Array(document(spec).utf8)), network: nil)
    #expect(read.map(\.limitsOwnNetwork) == [limits])
  }

  @Test func `exceptions leave the other addresses, of both families`() throws {
    let spec = "ingress: [{from: [{ipBlock: {cidr: CIDR, except: EXCEPT}}]}]"
    for (cidr, except, left) in [
      ("0.0.0.0/0", "[128.0.0.0/1, 64.0.0.0/2]", ["0.0.0.0/2"]),
      ("10.0.0.0/29", "[10.0.0.0/32, 10.0.0.7/32]", ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"]),
      ("fd00::/126", "[fd00::2/127]", ["fd00::/127"]),
    ] {
      let text = document(
        spec.replacing("CIDR", with: "'\(cidr)'").replacing(
          "EXCEPT", with: except.replacing("fd00::2/127", with: "'fd00::2/127'")))
      let entries = left.map { #"{"from":{"cidr":"\#($0)"}}"# }.joined(separator: ",")
      #expect(try policies(text) == [#"mgmt: {"egress":[{}],"ingress":[\#(entries)]}"#])
    }
  }
}

@Suite struct YAMLTests {
  @Test(arguments: [
    ("a: 1\nb: [x, 'y', \"z\\n\"]\nc: {d: ~}", #"{"a":1,"b":["x","y","z\n"],"c":{"d":null}}"#),
    (
      "[yes, 'yes', true, 10.1, -3, 10.0.0.0/8, 1.2.3, a: 1, fd00::1]",
      #"[true,"yes",true,10.1,-3,"10.0.0.0/8","1.2.3",{"a":1},"fd00::1"]"#
    ),
    ("- !!str 80\n- |\n  text\n", #"["80","text\n"]"#), (#"{"a": "\u00e9\ud83d\ude00"}"#, #"{"a":"é😀"}"#),
  ])
  func `values are those of JSON`(text: String, wanted: String) throws {
    #expect(try YAML.documents(Array(text.utf8)).map(\.text) == [wanted])
  }

  @Test(arguments: [
    ("a: [", "line 2, column 1"), ("a: 1\na: 2", "key \"a\" is given twice"),
    ("a: &x 1\nb: *x", "aliases are not read"),
    ("a: 010", "010: want a decimal number"), ("a: 0x1F", "0x1F: want"), ("a: !other 1", "tag !other: want no tags"),
    ("a: !!int '1'", "want no tags"), ("1: a", "want a string as key"), ("\t- a", "line 1"), ("a: \u{1}", "line 1"),
    (String(repeating: "[", count: 200) + String(repeating: "]", count: 200) + " #", "want at most 100 levels"),
  ])
  func `anything else is refused with its line`(text: String, reason: String) throws {
    let error = try #require(throws: CNIError.self) { try YAML.documents(Array(text.utf8)) }
    #expect(error.code == .decodingFailure && error.details.contains(reason), "\(error)")
  }
}
