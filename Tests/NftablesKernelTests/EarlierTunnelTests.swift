import CNI
import NetTypes
import Nftables
import PacketFilter
import Testing

extension NftablesTests {
  /// Rules for tunnels as earlier builds made them: each host has a chain of its own, which a map leads to.
  @Suite struct EarlierTunnels {
    private static let table = "inet swift_cni"
    private static let fromOurLinks = "iifgroup \(Isolation.linkGroup)-\(Isolation.pairGroup)"

    private func ruleSet(_ peers: [String], network: String) throws -> RuleSet {
      let addresses = try peers.map { try address($0) }
      return RuleSet(
        try owner("host", network: network), .tunnels, [.guardTunnel(TunnelGuard(port: 4789, peers: addresses))])
    }

    private let masquerade: () throws -> RuleSet = {
      RuleSet(
        try owner("c1"), .network, [try .masquerade(Masquerade(address("10.1.0.2"), in: prefix("10.1.0.1/24")))])
    }

    /// Commands that an earlier build's transaction equals; the table exists.
    private func commands(addingTo ruleSet: RuleSet, _ peers: [String]) -> String {
      let tag = "\(ruleSet.owner.filterTag) tunnels"
      let port = """
        flush chain \(Self.table) vtep_forward
        add rule \(Self.table) vtep_forward \(Self.fromOurLinks) ip daddr . udp dport vmap @tunnel_peers4
        add rule \(Self.table) vtep_forward \(Self.fromOurLinks) ip6 daddr . udp dport vmap @tunnel_peers6
        add chain \(Self.table) vtep_4789
        flush chain \(Self.table) vtep_4789
        add rule \(Self.table) vtep_4789 \(Self.fromOurLinks) drop
        add rule \(Self.table) vtep_4789 iifname lo return
        add rule \(Self.table) vtep_4789 udp dport vmap @open_tunnels
        add rule \(Self.table) vtep_4789 ip saddr . udp dport vmap @tunnel_peers4
        add rule \(Self.table) vtep_4789 ip6 saddr . udp dport vmap @tunnel_peers6
        add rule \(Self.table) vtep_4789 drop
        add element \(Self.table) tunnels { 4789 comment "vtep_4789" : jump vtep_4789 }
        add element \(Self.table) owners { "\(AttachmentID.shortHash(tag))" comment "\(tag)" : jump anchor }
        \(ownerCommand(tag, "vtep_4789"))
        """
      return peers.reduce(port) { text, peer in
        let chain = "vtep_" + AttachmentID.shortHash("\(peer) 4789")
        return """
          \(text)
          add chain \(Self.table) \(chain)
          add rule \(Self.table) \(chain) \(Self.fromOurLinks) drop
          add rule \(Self.table) \(chain) accept
          add element \(Self.table) tunnel_peers4 { \(peer) . 4789 comment "\(chain)" : jump \(chain) }
          \(ownerCommand(tag, chain))
          """
      }
    }

    private func ownerCommand(_ tag: String, _ chain: String) -> String {
      """
      add element \(Self.table) tunnel_owners \
      { "\(AttachmentID.shortHash("\(tag) \(chain)"))" comment "\(tag)" : jump \(chain) }
      """
    }

    @Test func `a network of an earlier build stays as it is when another one gets its rules`() throws {
      let earlierPeers = ["192.0.2.1", "192.0.2.2"]
      let earlier = try ruleSet(earlierPeers, network: "net2"), masquerade = try masquerade()
      let own = try ruleSet(["192.0.2.2", "192.0.2.3"], network: "net")
      let commands = commands(addingTo: earlier, earlierPeers)
      let (missing, rules, before, after) = try onHost {
        let backend = NftablesBackend(), before = try ruleset()
        try backend.add(masquerade)
        try declareEarlierTable()
        _ = try nft("-f", "-", input: commands)
        var missing = try backend.missing(from: earlier)
        try backend.replace(nil, with: own)
        for ruleSet in [earlier, own] { missing += try backend.missing(from: ruleSet) }
        let rules = try ruleset()
        for ruleSet in [earlier, own, masquerade] {
          try backend.remove(ruleSet.owner.filterTag, ruleSet.role, recordedRules: ruleSet.rules)
        }
        return (missing, rules, before, try ruleset())
      }
      #expect(missing == [])
      #expect(rules.contains("ip saddr . udp dport vmap @tunnel_peers4"))
      #expect(rules.contains("ip daddr . udp dport vmap @tunnel_peers4"))
      for peer in earlierPeers {
        #expect(rules.contains("\(peer) . 4789 comment \"vtep_\(AttachmentID.shortHash("\(peer) 4789"))\""))
      }
      #expect(after == before)
    }

    @Test(arguments: [
      "flush chain inet swift_cni vtep_forward", "flush chain inet swift_cni vtep_4789",
      "flush map inet swift_cni tunnel_owners", "flush map inet swift_cni tunnels",
      "delete element inet swift_cni tunnel_peers4 { 192.0.2.2 . 4789 }",
    ])
    func `a missing part of an earlier build's rules is noticed`(command: String) throws {
      let peers = ["192.0.2.1", "192.0.2.2"], masquerade = try masquerade()
      let earlier = try ruleSet(peers, network: "net2"), commands = commands(addingTo: earlier, peers)
      let missing = try onHost {
        let backend = NftablesBackend()
        try backend.add(masquerade)
        try declareEarlierTable()
        _ = try nft("-f", "-", input: commands)
        _ = try nft("-f", "-", input: command)
        return try backend.missing(from: earlier)
      }
      #expect(missing == earlier.rules)
    }

    /// Whether the change is made with the difference of the two lists, as `cnictl overlay sync --watch` makes it.
    @Test(arguments: [false, true])
    func `rules of an earlier build are made anew when the peers change`(isDifference: Bool) throws {
      let peers = ["192.0.2.1", "192.0.2.2"], masquerade = try masquerade()
      let earlier = try ruleSet(peers, network: "net"), commands = commands(addingTo: earlier, peers)
      let new = try ruleSet(peers + ["192.0.2.3"], network: "net")
      let none = try ruleSet([], network: "net"), third = try ruleSet(["192.0.2.3"], network: "net")
      let (error, missing, rules) = try onHost {
        let backend = NftablesBackend()
        try backend.add(masquerade)
        try declareEarlierTable()
        _ = try nft("-f", "-", input: commands)
        let error = isDifference ? #expect(throws: KernelError.self) { try backend.change(none, to: third) } : nil
        try backend.replace(isDifference ? nil : earlier, with: new)
        return (error, try backend.missing(from: new), try ruleset())
      }
      #expect(error?.errno == (isDifference ? .ENOENT : nil))
      #expect(missing == [])
      #expect(peers.allSatisfy { !rules.contains("vtep_\(AttachmentID.shortHash("\($0) 4789"))") })
    }

    @Test func `rules that an earlier build replaced are missing and come back`() throws {
      let earlierPeers = ["192.0.2.1", "192.0.2.2"]
      let earlier = try ruleSet(earlierPeers, network: "net2")
      let own = try ruleSet(["192.0.2.2", "192.0.2.3"], network: "net")
      let commands = commands(addingTo: earlier, earlierPeers)
      let (missing, missingAfterwards, before, after) = try onHost {
        let backend = NftablesBackend(), before = try ruleset()
        try backend.replace(nil, with: own)
        try declareEarlierTable()
        _ = try nft("-f", "-", input: commands)
        let missing = try backend.missing(from: own)
        try backend.replace(own, with: own)
        let missingAfterwards = try backend.missing(from: own)
        for ruleSet in [own, earlier] {
          try backend.remove(ruleSet.owner.filterTag, ruleSet.role, recordedRules: ruleSet.rules)
        }
        return (missing, missingAfterwards, before, try ruleset())
      }
      #expect(missing == own.rules)
      #expect(missingAfterwards == [])
      #expect(after == before)
    }

    @Test func `hosts are removed whose chains an earlier build has removed`() throws {
      let old = try ruleSet(["192.0.2.1", "192.0.2.2"], network: "net")
      let new = try ruleSet(["192.0.2.2"], network: "net")
      let other = try ruleSet(["192.0.2.3"], network: "net2")
      let chains = ["192.0.2.1", "192.0.2.2"].map { "vtep_host_" + AttachmentID.shortHash("\($0) 4789") }
      let (fresh, cleaned) = try onHost {
        let backend = NftablesBackend()
        for ruleSet in [other, new] { try backend.add(ruleSet) }
        let fresh = try nft("list", "set", "inet", "swift_cni", "tunnel_hosts4")
        try backend.replace(new, with: old)
        let tag = "\(old.owner.filterTag) tunnels"
        let removals =
          chains.map { "delete element \(Self.table) tunnel_owners { \"\(AttachmentID.shortHash("\(tag) \($0)"))\" }" }
          + chains.map { "delete chain \(Self.table) \($0)" }
        _ = try nft("-f", "-", input: removals.joined(separator: "\n"))
        try backend.replace(nil, with: new)
        return (fresh, try nft("list", "set", "inet", "swift_cni", "tunnel_hosts4"))
      }
      #expect(cleaned.filter { !$0.isWhitespace }.count == fresh.filter { !$0.isWhitespace }.count)
      #expect(!cleaned.contains("192.0.2.1 ") && cleaned.contains("192.0.2.2 ") && cleaned.contains("192.0.2.3 "))
    }
  }
}
