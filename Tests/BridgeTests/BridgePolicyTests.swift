import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import bridge

/// The key `policy` of `bridge`.
@Suite struct BridgePolicyTests {
  private static let policy = #""policy":{"ingress":[{"from":{"network":"front"}}]}"#

  @Test func `the policy is there before the container's interface, and packets that came before it are dropped`()
    throws
  {
    let fixture = Fixture()
    try fixture.add(#""isGateway":true,\#(Self.policy)"#)
    let applied = fixture.kernel.applied
    let rules = applied.firstIndex { if case .addRules(let ruleSet) = $0 { ruleSet.role == .policies } else { false } }
    let made = applied.firstIndex {
      if case .createLink(let spec) = $0 { spec.name == fixture.owner.hostInterface } else { false }
    }
    for address: IPAddress in ["10.1.0.5", "fd00:1::5"] {
      let dropped = try #require(applied.firstIndex(of: .forgetNeighbour(address, on: "cni0")))
      #expect(try #require(rules) < dropped && dropped < #require(made))
    }
    // Forged sources would get around `egress`.
    #expect(try fixture.kernel.filter.ruleSet(of: fixture.owner, .guards) != nil)
    try fixture.plugin.check(fixture.call(#""isGateway":true,\#(Self.policy)"#))
    try fixture.delete(#""isGateway":true,\#(Self.policy)"#)
    #expect(try fixture.kernel.filter.ruleSet(of: fixture.owner, .policies) == nil)
  }

  @Test(arguments: [false, true])
  func `the policy of a container stays while its link cannot be removed`(isGC: Bool) throws {
    let fixture = Fixture(), keys = #""isGateway":true,\#(Self.policy)"#
    try fixture.add(keys)
    let remove = { if isGC { try fixture.collectGarbage(keys) } else { try fixture.delete(keys, path: nil) } }
    fixture.kernel.changesBeforeRefusal = 0
    #expect(throws: CNIError.self) { try remove() }
    #expect(try fixture.kernel.filter.ruleSet(of: fixture.owner, .policies) != nil)
    try remove()
    #expect(try fixture.kernel.filter.ruleSet(of: fixture.owner, .policies) == nil)
  }

  @Test func `a policy that names its own network keeps its containers apart in place of isolation`() throws {
    let fixture = Fixture()
    let keys = #"""
      "isolation":"container","isGateway":true,
      "policy":{"ingress":[{"from":{"network":"net"}}],"egress":[{"to":{"label":"tier=web"}}]}
      """#
    try fixture.add(keys)
    #expect(
      try fixture.kernel.filter.ruleSet(of: fixture.owner, .network)?.rules == [
        .isolate(Isolation("cni0", reach: .network))
      ])
    #expect(fixture.kernel.link(fixture.owner.hostInterface, on: .host)?.port?.isolated == true)
    let ruleSet = try #require(try fixture.kernel.filter.ruleSet(of: fixture.owner, .policies))
    #expect(ruleSet.namedNetworks == [])
    #expect(ruleSet.proxies == [NeighbourSpec("fd00:1::5", mac: nil, on: "cni0", .host)])
    #expect(fixture.kernel.applied.contains(.setNeighbour(ruleSet.proxies[0])))
    try fixture.plugin.check(fixture.call(keys))
    try fixture.delete(keys)
    #expect(fixture.kernel.applied.contains(.deleteNeighbour(ruleSet.proxies[0])))
  }

  @Test(arguments: [
    (policy, "connections go through the host"),
    (#""isGateway":true,"macLearning":true,\#(policy)"#, "no macLearning"),
    (#""isGateway":true,"ipspoofchk":false,\#(policy)"#, "no macLearning"),
    (#""isGateway":true,"policy":{"egress":[{"to":{"network":"net"}}]}"#, "is the container's own"),
    (
      #""isolation":"container","isGateway":true,"policy":{"egress":[{"to":{"network":"net"}}]}"#,
      #"in "ingress" and in "egress""#
    ),
    (
      #""isolation":"network","isGateway":true,"policy":{"egress":[{"to":{"network":"net"}}]}"#,
      "is the container's own"
    ),
    (#"{"isGateway":true,\#(policy)}"#, "an address before the link is up"),
  ])
  func `a policy that could not hold is refused`(keys: String, message: String) throws {
    let error = try #require(try Fixture().refusal(keys))
    #expect(error.code == .invalidNetworkConfig)
    #expect(error.description.contains(message), "\(error)")
  }

  @Test(
    arguments: [
      (#""bridge":"br0","isGateway":true"#, ["br0"]), (#""bridge":"br0","isGateway":true,"vlan":20"#, ["br0.20"]),
      (#""bridge":"br0","vlan":20"#, []),
    ] as [(String, [InterfaceName])])
  func `packets of a network arrive by its gateway's link`(keys: String, links: [InterfaceName]) throws {
    let call = try Fixture().call(keys), driver = BridgeDriver()
    #expect(try driver.networkLinks(driver.settings(call.config, call.keys, call.arguments()), of: "net") == links)
  }
}
