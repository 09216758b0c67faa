import LabSupport
import Linux
import NetTypes
import PacketFilter
import TestSupport
import Testing
@testable import Iptables

/// Hosts with `iptables-nft`.
@Suite(.needsKernel) struct NftHostTests {
  static let outbound = [
    Rule.pass(Passage(net("10.1.0.0/24"), .outbound)), .pass(Passage(net("fd00::/64"), .outbound)),
    .pass(Passage(net("10.1.0.0/24"), .published)),
  ]

  static let docker = """
    for v in iptables-nft ip6tables-nft; do $v-restore <<'END'
    \(HostRules.docker.text)
    END
    done
    """

  /// The rules of ufw for forwarded packets.
  static let ufw = """
    iptables-nft-restore <<'END'
    *filter
    :FORWARD DROP [0:0]
    :ufw-before-forward - [0:0]
    :ufw-user-forward - [0:0]
    :ufw-reject-forward - [0:0]
    -A FORWARD -j ufw-before-forward
    -A FORWARD -j ufw-reject-forward
    -A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    -A ufw-before-forward -p icmp -m icmp --icmp-type 8 -j ACCEPT
    -A ufw-before-forward -j ufw-user-forward
    -A ufw-reject-forward -j REJECT --reject-with icmp-port-unreachable
    COMMIT
    END
    """

  private static func rules(_ lab: IptablesLab) throws -> [String] {
    try lab.shell("iptables-nft-save 2>&1; ip6tables-nft-save 2>&1; nft -s list tables")
      .split(separator: "\n").filter { !$0.hasPrefix("#") }.map(String.init)
  }

  private static func backend(_ lab: IptablesLab) -> IptablesBackend {
    let backend = IptablesBackend()
    backend.tables.lockFile = lab.lockFile
    return backend
  }

  @Test(arguments: [docker, ufw, "iptables-nft -P FORWARD DROP; ip6tables-nft -A FORWARD -j DROP"])
  func `passages come first in FORWARD, iptables lists them, and the last removal restores the ruleset`(
    setUp: String
  ) throws {
    let (before, between, missing, after) = try IptablesLab.run(touched: false) { lab in
      try lab.shell(setUp)
      let before = try Self.rules(lab)
      let backend = Self.backend(lab)
      let ruleSets = ["c1", "c2"].map { RuleSet(owner($0), .network, Self.outbound) }
      for ruleSet in ruleSets { try backend.add(ruleSet) }
      let between = try Self.rules(lab)
      let missing = try backend.missing(from: ruleSets[0])
      for ruleSet in ruleSets { try backend.remove(ruleSet.owner.filterTag, .network, recordedRules: ruleSet.rules) }
      return (before, between, missing, try Self.rules(lab))
    }
    #expect(missing == [])
    #expect(!between.contains { $0.contains("incompatible") })
    #expect(
      between.first { $0.hasPrefix("-A FORWARD") }
        == #"-A FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD"#)
    #expect(between.filter { $0.hasPrefix("-A CNI-FORWARD -s 10.1.0.0/24") }.count == 2)
    #expect(between.contains { $0.contains("-s 10.1.0.0/24 -j ACCEPT") })
    #expect(before == after)
  }

  @Test func `a rule that iptables deleted is reported missing, and the others are removed`() throws {
    let (missing, after, before) = try IptablesLab.run(touched: false) { lab in
      try lab.shell("iptables-nft -P FORWARD DROP; ip6tables-nft -P FORWARD DROP")
      let before = try Self.rules(lab)
      let backend = Self.backend(lab)
      let ruleSet = RuleSet(owner("c1"), .network, [Self.outbound[0]])
      try backend.add(ruleSet)
      try lab.shell("iptables-nft -D FORWARD -m comment --comment 'CNI firewall plugin rules' -j CNI-FORWARD")
      let missing = try backend.missing(from: ruleSet)
      try backend.remove(ruleSet.owner.filterTag, .network, recordedRules: nil)
      return (missing, try Self.rules(lab), before)
    }
    #expect(missing == [Self.outbound[0]])
    #expect(after == before)
  }

  @Test func `on a host without a chain FORWARD no passage is added`() throws {
    let (rules, missing) = try IptablesLab.run(touched: false) { lab in
      let backend = Self.backend(lab)
      let ruleSet = RuleSet(owner("c1"), .network, Self.outbound)
      try backend.add(ruleSet)
      return (try Self.rules(lab), try backend.missing(from: ruleSet))
    }
    #expect(rules == [])
    #expect(missing == [])
  }

  @Test func `chains of the operator and of kube-proxy are found in the tables of iptables`() throws {
    let (admin, nat, before, after) = try IptablesLab.run(touched: false) { lab in
      try lab.shell(
        """
        iptables-nft -t nat -N KUBE-MARK-MASQ
        iptables-nft -t nat -A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
        """)
      let before = try Self.rules(lab)
      let backend = Self.backend(lab)
      let network = Admission.Network(name("br0"), net("10.1.0.0/24"))
      let firewall = RuleSet(
        owner("c1"), .firewall,
        [.admit(Admission(ip("10.1.0.2"), adminChain: "NOMAD-ADMIN", network: network))], backend: .iptables)
      let ports = RuleSet(
        owner("c1"), .ports,
        [published(8080, to: "10.1.0.2") { $0.masquerade?.marking = .chain("KUBE-MARK-MASQ") }], backend: .iptables)
      for ruleSet in [firewall, ports] { try backend.add(ruleSet) }
      let admin = try lab.shell("iptables-nft -S CNI-FORWARD; iptables-nft -S NOMAD-ADMIN")
      let nat = try lab.shell("iptables-nft -t nat -S CNI-PORTS")
      for ruleSet in [ports, firewall] {
        try backend.remove(ruleSet.owner.filterTag, ruleSet.role, recordedRules: ruleSet.rules)
      }
      return (admin, nat, before, try Self.rules(lab))
    }
    #expect(admin.contains("-j NOMAD-ADMIN"))
    #expect(nat.contains("-j KUBE-MARK-MASQ"))
    #expect(nat.contains("-j DNAT --to-destination 10.1.0.2:80"))
    #expect(after == before)
  }

  @Test func `a transaction that fails in its second table leaves nothing`() throws {
    let (error, before, after) = try IptablesLab.run(touched: false) { lab in
      try lab.shell("iptables-nft -P FORWARD DROP; ip6tables-nft -P FORWARD DROP")
      let before = try Self.rules(lab)
      let backend = Self.backend(lab)
      backend.tables.beforeCommit = { (table) throws(KernelError) in
        if table.family == .v6 { throw KernelError(errno: .EIO, doing: "commit") }
      }
      let ruleSet = RuleSet(owner("c1"), .network, Self.outbound)
      let error = #expect(throws: KernelError.self) { try backend.add(ruleSet) }
      return (error, before, try Self.rules(lab))
    }
    #expect(error?.errno == .EIO)
    #expect(after == before)
  }
}
