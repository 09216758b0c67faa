import LabSupport
import Testing

/// A policy of a network whose bridge keeps its containers apart.
@Suite(.needsRoot)
struct OwnNetworkPolicyTests {
  /// Container 1 has the label `tier=web`; the entries with a prefix and without a peer are for other networks only.
  private static func keys(_ world: World) -> String {
    let own = #"{"network": "\#(world.lab.name)-n1"}"#
    return #"""
      {"isolation": "container", "policy": {
        "ingress": [{"from": \#(own), "ports": ["80/tcp"]}, {"from": {"label": "tier=web"}, "ports": ["81"]},
                    {"from": {"cidr": "10.77.1.0/24"}}, {"from": {"cidr": "fd77:1::/64"}}, {"ports": ["81/tcp"]}],
        "egress": [{"to": \#(own)}, {"ports": ["80"]}]}}
      """#
  }

  private static func expectations(_ attachments: [Network.Attachment]) -> [Expectation] {
    Expectation.ofBothFamilies { family in
      let web = attachments[0].addresses[family], plain = attachments[2].addresses[family]
      return [
        Expectation(.container(2), to: plain, .tcp, 80, by: .container(3)),
        Expectation(.container(3), to: web, .tcp, 80, by: .container(1)),
        Expectation(.container(1), to: plain, .tcp, 81, by: .container(3)),
        Expectation(.container(1), to: plain, .udp, 81, by: .container(3)),
        Expectation(.container(2), to: plain, .udp, 80, by: nil),
        Expectation(.container(2), to: plain, .tcp, 81, by: nil),
        Expectation(.container(3), to: web, .udp, 81, by: nil),
        Expectation(.container(2), to: plain, .ping, by: nil),
        Expectation(.container(2), to: World.outside[family], .tcp, 80, by: .outside),
        Expectation(.container(2), to: World.outside[family], .ping, by: nil),
        Expectation(.container(4), to: plain, .tcp, 81, by: nil),
        Expectation(.host, to: plain, .tcp, 81, by: .container(3)),
      ]
    }
  }

  @Test(arguments: Backend.allCases, [false, true])
  func `containers that are kept apart reach each other as the policy says`(backend: Backend, filtersBridges: Bool)
    throws
  {
    try World.use(backend, containers: 4, filtersBridges: filtersBridges) { world in
      try world.useTables()
      let before = try world.ruleset()
      let network = try world.network(1, Self.keys(world)), other = try world.network(2)
      let attachments = try [
        network.add(1, args: PolicyModel.label), network.add(2), network.add(3), other.add(4),
      ]
      try world.expect(Self.expectations(attachments))
      for attachment in attachments.dropLast() {
        for outcome in try network.check(attachment) { try outcome.requireSuccess() }
      }
      try world.flush()
      try world.lab.run("\(Binaries.ours)/cnictl", ["repair"], in: world.lab.host).requireSuccess()
      try world.expect(Self.expectations(attachments))
      for attachment in attachments.dropLast() { try network.delete(attachment, knowing: attachment.container == 1) }
      try other.delete(attachments[3])
      #expect(try world.ruleset().filter { $0.contains("cni") } == before.filter { $0.contains("cni") })
      #expect(try world.shell("ip -6 neigh show proxy") == "")
    }
  }

  @Test func `nft reads the rules that it lists`() throws {
    try World.use(.nftables, containers: 1) { world in
      _ = try world.network(1, Self.keys(world)).add(1)
      let file = "\(world.lab.directory)/rules"
      try world.shell("nft list ruleset > \(file) && nft -c -f \(file)")
    }
  }
}
