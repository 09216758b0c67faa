import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import macvlan

/// The key `policy` of `macvlan`, whose rules are in the container.
@Suite struct PolicyTests {
  private static let policy = #""policy":{"ingress":[{"from":{"cidr":"192.0.2.0/24"},"ports":["80/tcp"]}],"log":true}"#

  private static func wanted(usesDHCP: Bool) throws -> Policy {
    let ingress = Policy.Permission(.prefix("192.0.2.0/24"), [PortSpan(80...80, .tcp)])
    var policy = Policy(of: [], on: ["eth0"], ingress: [ingress], egress: [], logGroup: 0)
    policy.isInContainer = true
    policy.usesDHCP = usesDHCP
    return policy
  }

  @Test(arguments: ["fake", "dhcp"])
  func `the rules are made before the link, and DEL removes them after it`(ipam: String) throws {
    let fixture = Fixture()
    let call = try fixture.call(#"{"ipam":{"type":"\#(ipam)"},\#(Self.policy)}"#)
    try fixture.plugin.add(call) { _ in }
    let rules = RuleSet(
      fixture.owner, .policies, [.limit(try Self.wanted(usesDHCP: ipam == "dhcp"))], backend: .nftables)
    #expect(fixture.kernel.applied.first == .addRules(rules))
    #expect(fixture.kernel.applied.filter { if case .addRules = $0 { true } else { false } }.count == 1)
    let made = fixture.kernel.applied.count
    try fixture.delete()
    let removed = fixture.kernel.applied.dropFirst(made)
    #expect(
      removed == [
        .deleteLink("eth0", on: .container), .removeRules(fixture.owner, .policies, everywhere: true),
      ])
  }

  @Test func `the policy of a container stays while its link cannot be removed`() throws {
    let fixture = Fixture(), keys = #"{"ipam":{"type":"fake"},\#(Self.policy)}"#
    try fixture.add(keys)
    fixture.kernel.changesBeforeRefusal = 0
    #expect(throws: CNIError.self) { try fixture.delete(keys) }
    #expect(try fixture.kernel.filter.ruleSet(of: fixture.owner, .policies) != nil)
    try fixture.delete(keys)
    #expect(try fixture.kernel.filter.ruleSet(of: fixture.owner, .policies) == nil)
  }

  @Test func `CHECK reports a missing policy, and STATUS a kernel without nf_tables`() throws {
    let fixture = Fixture()
    let keys = #"{"ipam":{"type":"fake"},\#(Self.policy)}"#
    try fixture.add(keys)
    try fixture.plugin.check(fixture.call(keys))
    fixture.kernel.filter.ruleSets = []
    #expect(throws: CNIError.self) { try fixture.plugin.check(fixture.call(keys)) }
    #expect(try fixture.obstacle(keys) == nil)
    fixture.kernel.filter.hostBackend = nil
    #expect(try fixture.obstacle(keys)?.code == .notAvailable)
    #expect(try fixture.obstacle("{}") == nil)
  }

  @Test(arguments: [
    (#"{"from":{"network":"net"}}"#, #"network "net""#), (#"{"from":{"label":"tier=web"}}"#, #"label "tier=web""#),
  ])
  func `a peer that only the host knows is refused`(entry: String, peer: String) throws {
    let fixture = Fixture()
    #expect(
      try fixture.refusal(#"{"policy":{"ingress":[\#(entry)]}}"#)
        == CNIError(
          .invalidNetworkConfig,
          #"key "policy": \#(peer): the rules are in the container's network namespace, which knows only addresses: want "cidr""#
        ))
    #expect(fixture.kernel.applied == [])
  }
}
