import CNI
import Kernel
import NetTypes
import Overlay
import PacketFilter
import TestSupport
import Testing
@testable import overlay_vxlan

/// The key `policy`: rules for the container, and for the network's containers on other hosts.
@Suite struct PolicyTests {
  /// The network of `Fixture.routed` with a policy.
  private static func routed(_ policy: String, _ others: String = "") -> String {
    #"{"network":["10.0.0.0/8","fd00::/16"],"policy":\#(policy)\#(others),"# + Fixture.routed.dropFirst()
  }

  private static let web = #","args":{"cni":{"labels":[{"key":"tier","value":"web"}]}}"#

  private func rules(_ fixture: Fixture, of owner: AttachmentID) throws -> [Rule] {
    try fixture.kernel.filter.ruleSet(of: owner, .policies)?.rules ?? []
  }

  private func policy(of addresses: [IPAddress], egress: [Policy.Permission]?) -> Policy {
    var policy = Policy(of: addresses, on: ["ov-net"], ingress: [.init(.network("front"))], egress: egress)
    (policy.tunnel, policy.network) = ("vx-net", ["10.0.0.0/8", "fd00::/16"])
    return policy
  }

  @Test func `a container and the containers on other hosts are limited before the network's devices are up`() throws {
    let fixture = Fixture()
    _ = try fixture.add(Self.routed(#"{"ingress":[{"from":{"network":"front"}}]}"#, Self.web))
    let addresses: [IPAddress] = ["10.1.0.5", "fd00:1::5"]
    #expect(
      try rules(fixture, of: fixture.owner) == [
        .limit(policy(of: addresses, egress: [])),
        .join(Membership(of: addresses, on: ["ov-net"], [Label(key: "tier", value: "web")])),
      ])
    let tunnel = AttachmentID.tunnel(of: fixture.owner.network)
    #expect(try rules(fixture, of: tunnel) == [.limit(policy(of: [], egress: nil))])
    let steps = fixture.kernel.applied
    let far = try #require(
      steps.firstIndex { if case .setRules(let set) = $0 { set.role == .policies } else { false } })
    let made = try #require(steps.firstIndex { if case .createLink = $0 { true } else { false } })
    #expect(far < made)
    let own = try #require(
      steps.firstIndex { if case .addRules(let set) = $0 { set.role == .policies } else { false } })
    let veth = try #require(
      steps.firstIndex {
        if case .createLink(let spec) = $0 { spec.name == fixture.owner.hostInterface } else { false }
      })
    let dropped = try addresses.map { try #require(steps.firstIndex(of: .forgetNeighbour($0, on: "ov-net"))) }
    #expect(dropped.allSatisfy { own < $0 && $0 < veth })
  }

  @Test func `GC deletes the tunnel before the rules for other hosts`() throws {
    let fixture = Fixture(), json = Self.routed(#"{"ingress":[{"from":{"network":"front"}}]}"#)
    _ = try fixture.add(json)
    try fixture.delete(json, path: nil)
    let count = fixture.kernel.applied.count
    try fixture.collectGarbage(json)
    let steps = fixture.kernel.applied.dropFirst(count)
    let tunnel = try #require(steps.firstIndex(of: .deleteLink("vx-net", on: .host)))
    let rules = steps.firstIndex { if case .removeStaleRules(_, .policies, _, _) = $0 { true } else { false } }
    #expect(try tunnel < #require(rules))
  }

  @Test(arguments: [#"{"default":"allow"}"#, #"{"ingress":[]}"#])
  func `an ADD changes the rules for other hosts to those of its policy, and GC removes them`(policy: String) throws {
    let fixture = Fixture(), tunnel = AttachmentID.tunnel(of: fixture.owner.network)
    _ = try fixture.add(Self.routed(#"{"ingress":[{"from":{"network":"front"}}]}"#))
    let before = try rules(fixture, of: tunnel)
    let next = fixture.next()
    next.ipam.answer.ips = [.init(address: "10.1.0.6/24", gateway: "10.1.0.1")]
    _ = try next.add(Self.routed(policy))
    let after = try rules(fixture, of: tunnel)
    #expect(after != before)
    #expect(after.isEmpty == (policy == #"{"default":"allow"}"#))
    for one in [fixture, next] { try one.delete(Self.routed(policy), path: nil) }
    try fixture.collectGarbage(Self.routed(policy))
    #expect(try fixture.kernel.filter.ruleSets(of: fixture.owner.network) == [])
  }

  @Test(
    arguments: [
      ("{}", "", false), (#"{"ingress":[{}]}"#, "", false), (#"{"default":"allow"}"#, "", true),
      ("{}", #","isolation":"network""#, true),
    ])
  func `a policy that limits both directions takes the place of isolation`(
    policy: String, others: String, isIsolated: Bool
  ) throws {
    let fixture = Fixture()
    _ = try fixture.add(Self.routed(policy, others))
    let isolating = try fixture.kernel.filter.ruleSets(of: fixture.owner.network).contains { $0.role == .network }
    #expect(isolating == isIsolated)
  }

  @Test(arguments: [(web, 2), ("", 0)])
  func `only a container with labels is published in mode l3`(args: String, count: Int) throws {
    let fixture = Fixture()
    fixture.control.controlState.ownSubnets = ["10.1.0.0/24", "fd00:1::/64"]
    fixture.control.controlState.network = ["10.0.0.0/8", "fd00::/16"]
    let json = """
      {"vni":100,"controlPlane":{"type":"etcd","endpoints":["http://192.0.2.9:2379"]},"policy":{}\(args),
      \(Fixture.addresses)}
      """
    _ = try fixture.add(json)
    #expect(fixture.control.published.labelled.count == count)
    #expect(fixture.control.published.labelled.allSatisfy { $0.labels == [Label(key: "tier", value: "web")] })
  }
}
