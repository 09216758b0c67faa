import NetTypes
import PacketFilter
import TestSupport
import Testing
@testable import Iptables

// Group: kernel

/// Base chains of other programs at the hook forward.
@Suite(.needsKernel) struct ForwardDropTests {
  private static let sent = ForwardedConnection(.outbound, .v4, address: ip("10.1.0.2"), link: name("br0"))
  private static let published = ForwardedConnection(.published, .v6, address: ip("fd00::2"), link: name("br0"))
  private static let any = ForwardedConnection(.outbound, .v4)

  private static func chain(_ rules: String, table: String = "inet filter", policy: String = "drop") -> String {
    "table \(table) { chain forward { type filter hook forward priority 0; policy \(policy); \(rules); }; }"
  }

  /// Rulesets, connections, and what drops the connection; `nil`: nothing certainly drops it.
  static let table: [(ruleset: String, connection: ForwardedConnection, drop: String?)] = [
    (chain(""), sent, "nf_tables table inet filter, chain forward, policy drop"),
    (chain(""), any, "nf_tables table inet filter, chain forward, policy drop"),
    (chain(""), published, "nf_tables table inet filter, chain forward, policy drop"),
    (chain("", policy: "accept"), sent, nil),
    (chain("", table: "ip6 filter"), sent, nil),
    (chain("", table: "ip6 mine"), published, "nf_tables table ip6 mine, chain forward, policy drop"),
    (chain("", table: "ip filter"), sent, "nf_tables table ip filter, chain forward, policy drop"),
    (
      "table inet filter { flags dormant; chain forward { type filter hook forward priority 0; policy drop; }; }", sent,
      nil
    ),
    ("table inet filter { chain input { type filter hook input priority 0; policy drop; }; }", sent, nil),
    // Rules that match only replies.
    (chain("ct state established,related accept"), sent, "policy drop"),
    (chain("ct state { established, related } accept"), sent, "policy drop"),
    (chain("ct state vmap { established : accept, invalid : drop }"), sent, "policy drop"),
    (chain("ct state vmap { established : accept, new : drop }"), sent, "rule 1 (handle"),
    (chain("ct state vmap { established : accept, new : accept }"), sent, nil),
    // Links and addresses.
    (chain("iifname br0 accept; ct state established accept"), sent, nil),
    (chain("iifname br0 accept"), sent, "policy drop"),  // its replies are dropped
    (chain("iifname \"br*\" accept; oifname { br0, br1 } accept"), sent, nil),
    (chain("iifname { eth0, docker0 } accept"), sent, "policy drop"),
    (chain("iifname eth0 accept"), sent, "policy drop"),
    (chain("iifname eth0 accept"), any, nil),
    (chain("iifname lo accept; iif lo accept; oifname lo accept"), any, "policy drop"),
    (chain("ip saddr 10.1.0.0/16 accept; ct state established accept"), sent, nil),
    (chain("ip saddr 10.2.0.0/16 accept; ct state established accept"), sent, "policy drop"),
    (chain("ip saddr 10.1.0.0/20 accept; ip daddr 10.1.0.0/20 accept"), sent, nil),
    (chain("ip6 daddr fd00::/64 accept; ip6 saddr fd00::/64 accept"), published, nil),
    (chain("meta nfproto ipv6 accept"), published, nil),
    (chain("meta nfproto ipv6 accept"), sent, "policy drop"),
    (chain("ct status dnat accept"), published, nil),
    (chain("ct status dnat accept; ct state established accept"), sent, "policy drop"),
    (chain("icmp type echo-request accept; icmpv6 type echo-request accept"), any, "policy drop"),
    // Conditions that depend on more than the connection.
    (chain("tcp dport 80 accept; ct state established accept"), sent, nil),
    (chain("meta mark 1 accept; ct state established accept"), sent, nil),
    (chain("limit rate 1/second accept; ct state established accept"), sent, nil),
    (chain("tcp dport 25 drop", policy: "accept"), sent, nil),
    (chain("counter log prefix \"x\"; reject", policy: "accept"), sent, "rule 2 (handle"),
    (chain("oifname eth0 drop; oifname != eth0 drop", policy: "accept"), any, nil),
    // Chains.
    (
      """
      table inet filter {
        chain admitted { iifname br0 accept; ct state established accept; }
        chain forward { type filter hook forward priority 0; policy drop; jump admitted; }
      }
      """, sent, nil
    ),
    (
      """
      table inet filter {
        chain others { iifname br0 return; accept; }
        chain refuse { drop; }
        chain forward { type filter hook forward priority 0; policy accept; jump others; goto refuse; }
      }
      """, sent, "nf_tables table inet filter, chain refuse, rule 1 (handle"
    ),
  ]

  @Test(arguments: table.indices)
  func `a rule or policy is reported only if it certainly drops the connection`(row: Int) throws {
    let (ruleset, connection, wanted) = Self.table[row]
    let drop = try IptablesLab.run(touched: false) { lab in
      try lab.shell("nft -f - <<'END'\n\(ruleset)\nEND")
      var chains = try ForwardChains(includingOpenedByADD: true)
      return try chains.drop(of: connection)
    }
    if let wanted {
      #expect(drop?.contains(wanted) == true, "\(ruleset): \(drop ?? "nothing")")
    } else {
      #expect(drop == nil, "\(ruleset)")
    }
  }

  private static let ruleSet: RuleSet = {
    let network = Admission.Network(name("br0"), net("10.1.0.0/24"))
    var ruleSet = RuleSet(owner("c1"), .firewall, [.admit(Admission(ip("10.1.0.2"), network: network))])
    ruleSet.rules += ruleSet.passages
    return ruleSet
  }()

  @Test(arguments: [NftHostTests.docker, NftHostTests.ufw, "iptables-nft -P FORWARD DROP"])
  func `FORWARD of iptables-nft is reported until our passage is added, and again after iptables -F`(setUp: String)
    throws
  {
    let (before, others, with, flushed) = try IptablesLab.run(touched: false) { lab in
      try lab.shell(setUp)
      let backend = IptablesBackend()
      backend.tables.lockFile = lab.lockFile
      let before = try backend.drops(for: Self.ruleSet)
      let others = try backend.dropsByOtherTables(Self.ruleSet.forwardedConnections)
      var passing = Self.ruleSet
      passing.rules = passing.passages
      try backend.add(passing)
      let with = try backend.drops(for: Self.ruleSet)
      try lab.shell("iptables-nft -F FORWARD")
      return (before, others, with, try backend.drops(for: Self.ruleSet))
    }
    #expect(before.first?.contains("nf_tables table ip filter, chain ") == true, "\(before)")
    #expect(others == [])
    #expect(with == [])
    #expect(
      flushed == [
        "connections from 10.1.0.2 are dropped by the host: nf_tables table ip filter, chain FORWARD, policy drop"
      ])
  }

  @Test func `a legacy FORWARD with policy DROP is reported until our passage is added`() throws {
    let (before, with) = try IptablesLab.run { lab in
      try lab.shell("iptables-legacy -P FORWARD DROP")
      let backend = lab.backend
      let before = try backend.drops(for: Self.ruleSet)
      var passing = Self.ruleSet
      passing.rules = passing.passages
      try backend.add(passing)
      return (before, try backend.drops(for: Self.ruleSet))
    }
    #expect(before.first?.contains("legacy table filter, chain FORWARD, policy DROP") == true, "\(before)")
    #expect(with == [])
  }
}
