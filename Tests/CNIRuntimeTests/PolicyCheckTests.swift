import CNI
import CNIRuntime
import NetTypes
import PacketFilter
import PluginKit
import Testing

/// Network `front` with `web` (label tier=web) and `other`, network `mgmt` with `db`, which has a policy, and `plain`.
private struct Host {
  var web: PolicyAttachment
  var other: PolicyAttachment
  var db: PolicyAttachment
  var plain: PolicyAttachment

  init(_ policy: String?) throws {
    web = try attachment("web", on: "front", "10.1.0.2", link: "br1")
    other = try attachment("other", on: "front", "10.1.0.3", link: "br1")
    db = try attachment("db", on: "mgmt", "10.2.0.2", link: "br2")
    plain = try attachment("plain", on: "mgmt", "10.2.0.3", link: "br2")
    web.labels = [try valid("tier=web")]
    guard let policy else { return }
    let config = try PolicyConfig(JSONReader(json(policy), path: "policy"))
    db.policies = [Policy(of: db.addresses, on: db.links, ingress: config.ingress, egress: config.egress)]
  }

  func end(_ name: String) throws -> ConnectionEnd {
    let attachments = ["web": web, "other": other, "db": db, "plain": plain]
    guard let attachment = attachments[name] else { return ConnectionEnd(try valid(name)) }
    return ConnectionEnd(attachment.addresses[0], of: attachment)
  }

  func answer(_ from: String, _ to: String, _ port: String) throws -> PolicyCheck.Answer {
    let check = PolicyCheck(
      [web, db], links: [try valid("front"): [try valid("br1")], try valid("mgmt"): [try valid("br2")]])
    let span: PortSpan = try valid(port)
    return check.answer(
      from: try end(from), to: try end(to), span.ports.lowerBound, try #require(span.transport))
  }
}

private func attachment(
  _ container: String, on network: String, _ address: String, link: String
) throws -> PolicyAttachment {
  let owner = AttachmentID(network: try valid(network), container: try valid(container), interface: try valid("eth0"))
  return PolicyAttachment(owner, addresses: [try valid(address)], links: [try valid(link)])
}

@Suite struct PolicyCheckTests {
  @Test(arguments: [
    ("10.80.2.2", "80/tcp", "not limited: the same network"), ("10.90.2.2", "80/tcp", "ingress from label tier=web"),
    ("10.90.2.3", "80/tcp", nil),
  ])
  func `containers on other hosts are known by their network's prefix and by their labels`(
    from: String, port: String, reason: String?
  ) throws {
    var host = try Host(#"{"ingress": [{"from": {"label": "tier=web"}}]}"#)
    host.db.policies[0].tunnel = try valid("vx-db")
    host.db.policies[0].network = [try valid("10.80.0.0/16")]
    var check = PolicyCheck([host.db], links: [:])
    check.farMembers = [
      try valid("tier=web"): [PeerContents.Member(try valid("10.90.2.2"), behind: try valid("vx-web"))]
    ]
    let links: [InterfaceName] = [try valid(from.hasPrefix("10.80") ? "vx-db" : "vx-web")]
    let answer = check.answer(
      from: ConnectionEnd(try valid(from), links: links), to: try host.end("db"), 80, .tcp)
    #expect(answer.ingress.reason == reason ?? "no entry allows it")
    #expect(answer.isAllowed == (reason != nil))
  }

  @Test(arguments: [
    (#"{"ingress": [{"from": {"network": "back"}, "ports": ["80/tcp"]}], "egress": []}"#, true),
    (#"{"ingress": [{"from": {"label": "tier=web"}}], "egress": []}"#, false),
    (#"{"ingress": [{}], "egress": [{}]}"#, false),
  ])
  func `between containers that a bridge keeps apart only their network and labels count`(
    policy: String, isAllowed: Bool
  ) throws {
    var host = try Host(policy)
    host.db.policies[0].ownNetwork = try valid("back")
    let check = PolicyCheck([host.db], links: [:])
    let answer = check.answer(
      from: ConnectionEnd(try valid("10.2.0.9"), links: host.db.links), to: try host.end("db"), 80, .tcp)
    #expect(answer.ingress.isAllowed == isAllowed)
  }

  private static let limits = #"""
    {"ingress": [{"from": {"network": "front"}, "ports": ["514", "8000-8100/tcp"]},
                 {"from": {"label": "tier=web"}, "ports": ["5432/tcp"]}, {"from": {"cidr": "192.0.2.0/24"}},
                 {"ports": ["443/tcp"]}],
     "egress": [{"to": {"label": "tier=web"}, "ports": ["80/tcp"]}, {"to": {"cidr": "192.0.2.0/24"}}]}
    """#

  @Test(arguments: [
    ("web", "db", "514/tcp", "ingress from network front ports 514, 8000-8100/tcp"),
    ("other", "db", "514/sctp", "ingress from network front ports 514, 8000-8100/tcp"),
    ("other", "db", "8000/tcp", "ingress from network front ports 514, 8000-8100/tcp"),
    ("other", "db", "8100/tcp", "ingress from network front ports 514, 8000-8100/tcp"),
    ("other", "db", "8101/tcp", nil), ("other", "db", "7999/tcp", nil), ("other", "db", "8000/udp", nil),
    ("web", "db", "5432/tcp", "ingress from label tier=web ports 5432/tcp"), ("other", "db", "5432/tcp", nil),
    ("192.0.2.9", "db", "1/udp", "ingress from cidr 192.0.2.0/24"), ("192.0.3.9", "db", "1/udp", nil),
    ("192.0.3.9", "db", "443/tcp", "ingress from anyone ports 443/tcp"), ("192.0.3.9", "db", "443/udp", nil),
    ("10.1.0.2", "db", "5432/tcp", nil),
    ("plain", "db", "1/tcp", "not limited: the same network"),
  ])
  func `the ingress of the server decides`(from: String, to: String, port: String, reason: String?) throws {
    let answer = try Host(Self.limits).answer(from, to, port)
    #expect(answer.ingress.reason == reason ?? "no entry allows it")
    #expect(answer.ingress.isAllowed == (reason != nil) && answer.isAllowed == (reason != nil))
  }

  @Test(arguments: [
    ("web", "80/tcp", "egress to label tier=web ports 80/tcp"), ("web", "81/tcp", nil), ("other", "80/tcp", nil),
    ("192.0.2.1", "7/sctp", "egress to cidr 192.0.2.0/24"), ("192.0.3.1", "7/sctp", nil),
    ("plain", "80/udp", "not limited: the same network"),
  ])
  func `the egress of the client decides`(to: String, port: String, reason: String?) throws {
    let answer = try Host(Self.limits).answer("db", to, port)
    #expect(answer.egress.reason == reason ?? "no entry allows it")
    #expect(
      answer.egress.isAllowed == (reason != nil) && answer.ingress.isAllowed && answer.isAllowed == (reason != nil))
  }

  @Test func `both directions must allow a connection`() throws {
    var host = try Host(#"{"ingress": [{}]}"#)
    #expect(try host.answer("web", "db", "80/tcp").isAllowed)
    host.web.policies = [Policy(of: host.web.addresses, on: host.web.links, ingress: nil, egress: [])]
    let answer = try host.answer("web", "db", "80/tcp")
    #expect(!answer.egress.isAllowed && answer.ingress.isAllowed && !answer.isAllowed)
  }

  @Test(
    arguments: [
      (nil, true, true), (#"{"default": "allow"}"#, true, true), ("{}", false, false),
      (#"{"ingress": [{}]}"#, true, false), (#"{"egress": [{}]}"#, false, true), (#"{"ingress": []}"#, false, false),
    ] as [(String?, Bool, Bool)])
  func `a list that is absent allows nothing, and no policy everything`(
    policy: String?, ingress: Bool, egress: Bool
  ) throws {
    let host = try Host(policy)
    #expect(try host.answer("web", "db", "80/tcp").isAllowed == ingress)
    #expect(try host.answer("db", "web", "80/tcp").isAllowed == egress)
  }

  @Test func `the host itself is not limited`() throws {
    let host = try Host("{}")
    let gateway = ConnectionEnd(try valid("10.2.0.1"), links: [], isHost: true)
    let answer = PolicyCheck([], links: [:]).answer(from: gateway, to: try host.end("db"), 1, .tcp)
    #expect(answer.isAllowed)
  }

  @Test func `a network's answer is that of its strictest pair, and containers with a common network use it`() throws {
    var host = try Host(Self.limits)
    let check = PolicyCheck([host.web, host.db], links: [:])
    let pairs = ConnectionEnd.pairs(
      [try host.end("web"), try host.end("other")], [try host.end("db"), try host.end("plain")])
    #expect(pairs.count == 4)
    let strictest = try #require(check.strictest(pairs, 5432, .tcp))
    #expect(!strictest.isAllowed && strictest.from.attachment?.owner.container.description == "other")
    host.web.links = host.db.links
    let second = try attachment("web", on: "front", "10.1.0.9", link: "br1")
    let direct = ConnectionEnd.pairs(
      [try host.end("web"), ConnectionEnd(second.addresses[0], of: second)], [try host.end("db")])
    #expect(direct.map(\.0.address.description) == ["10.1.0.2"])
    #expect(ConnectionEnd.pairs([try host.end("db")], [try host.end("db"), try host.end("fd00::1")]).isEmpty)
  }

  @Test func `a peer stands for links or for containers with the label`() throws {
    let host = try Host(nil)
    let check = PolicyCheck([host.web, host.db], links: [try valid("front"): [try valid("br1")]])
    #expect(check.members(of: .network(try valid("front"))) == ["link br1"])
    #expect(check.members(of: .network(try valid("other"))) == [])
    #expect(check.members(of: .label(try valid("tier=web"))) == ["web (network front, eth0, 10.1.0.2) on link br1"])
    #expect(check.members(of: .anyone) == nil)
  }
}

@Suite struct NetworkConfigurationTests {
  private static let new = PolicyConfig(ingress: [], egress: [.init(.anyone)])

  @Test(arguments: [
    // The plugin that has the key keeps log and logGroup.
    (
      #"{"name":"n","plugins":[{"type":"bridge"},{"type":"firewall","policy":{"log":true,"logGroup":7}}],"x":1}"#,
      #"{"name":"n","plugins":[{"type":"bridge"},{"policy":{"egress":[{}],"ingress":[],"log":true,"logGroup":7},"type":"firewall"}],"x":1}"#
    ),
    (
      #"{"name":"n","plugins":[{"type":"bridge"},{"type":"firewall"}]}"#,
      #"{"name":"n","plugins":[{"policy":{"egress":[{}],"ingress":[]},"type":"bridge"},{"type":"firewall"}]}"#
    ),
    (
      #"{"name":"n","plugins":[{"type":"other"},{"type":"portmap"},{"type":"firewall"}]}"#,
      #"{"name":"n","plugins":[{"type":"other"},{"type":"portmap"},{"policy":{"egress":[{}],"ingress":[]},"type":"firewall"}]}"#
    ),
    (#"{"name":"n","type":"bridge"}"#, #"{"name":"n","policy":{"egress":[{}],"ingress":[]},"type":"bridge"}"#),
  ])
  func `the key goes to the plugin that has it or can have it`(before: String, after: String) throws {
    var configuration = try NetworkConfiguration(Array(before.utf8))
    try configuration.setPolicy(Self.new)
    #expect(configuration.root == (try json(after)))
  }

  @Test(arguments: [
    (#"{"type":"bridge"}"#, false), (#"{"type":"bridge","isolation":"network"}"#, false),
    (#"{"type":"bridge","isolation":"container"}"#, true), (#"{"type":"ptp"}"#, true),
    (#"{"type":"bridge"},{"type":"firewall","ingressPolicy":"isolated"}"#, true),
  ])
  func `networks whose containers do not reach each other by a bridge are known`(plugins: String, separates: Bool)
    throws
  {
    let list = #"{"name":"n","plugins":[\#(plugins),{"type":"firewall"}]}"#
    #expect(try NetworkConfiguration(Array(list.utf8)).separatesContainers == separates)
  }

  @Test func `a list without a plugin that takes the key is refused`() throws {
    let error = try #require(throws: CNIError.self) {
      try NetworkConfiguration(Array(#"{"name":"n","plugins":[{"type":"none"},{"type":"portmap"}]}"#.utf8))
    }
    #expect(error.message == #"network n: none of its plugins takes the key "policy""#)
    #expect(error.details.contains("bridge") && error.details.contains("firewall"))
  }

  @Test func `labels get into every plugin's configuration, and replace those of the same key`() throws {
    let list = try NetworkList(
      Array(
        #"{"name":"n","plugins":[{"type":"bridge","policy":{},"args":{"cni":{"labels":[{"key":"a","value":"1"},{"key":"b","value":""}]}}},{"type":"portmap"}]}"#
          .utf8))
    var request = AttachmentRequest()
    request.labels = [try valid("a=2"), try valid("c=x=y")]
    let labelled = try request.list(list)
    #expect(try NetworkConfiguration(labelled.bytes).labels() == ["a=2", "b=", "c=x=y"].map { try valid($0) })
    #expect(labelled.plugins[1].config.text.contains(#""labels":[{"key":"a","value":"2"}"#))
    request.labels.append(try valid("a=3"))
    #expect(throws: CNIError.self) { try request.list(list) }
    request.labels = [try valid("a=2")]
    let plain = try NetworkList(Array(#"{"name":"n","plugins":[{"type":"bridge"}]}"#.utf8))
    let error = try #require(throws: CNIError.self) { try request.list(plain) }
    #expect(error.message == "network n: cannot have labels")
  }

  @Test func `a recorded rule set gets other entries and keeps links, addresses, labels and guards`() throws {
    let owner = AttachmentID(network: try valid("n"), container: try valid("c"), interface: try valid("eth0"))
    let links: [InterfaceName] = [try valid("br0")], addresses: [IPAddress] = [try valid("10.0.0.2")]
    let join = Rule.join(Membership(of: addresses, on: links, [try valid("a=b")]))
    let guarded = Rule.guardAddresses(AddressGuard(try valid("veth0"), addresses))
    var wanted = Policy(of: addresses, on: links, ingress: [], egress: [.init(.anyone)])
    let labelled = RuleSet(owner, .policies, [join, guarded], backend: .nftables)
    wanted.ownsLinks = true
    #expect(labelled.limited(by: Self.new, ownsLinks: true)?.rules == [.limit(wanted), join, guarded])
    wanted.ownsLinks = false
    var old = labelled
    old.rules.append(.limit(Policy(of: addresses, on: links, ingress: nil, egress: [])))
    #expect(old.limited(by: Self.new, ownsLinks: true)?.rules == [.limit(wanted), join, guarded])
    let open = PolicyConfig(ingress: nil, egress: nil)
    #expect(old.limited(by: open, ownsLinks: false)?.rules == [join, guarded])
    #expect(RuleSet(owner, .policies, [guarded]).limited(by: Self.new, ownsLinks: false) == nil)
  }
}
