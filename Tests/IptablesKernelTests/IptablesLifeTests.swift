import Foundation
import Linux
import NetTypes
import PacketFilter
import Testing
import TestSupport
@testable import Iptables

/// Rules of several owners, beside rules of other programs.
@Suite(.needsKernel) struct IptablesLifeTests {
  static let ruleSets = [
    RuleSet(owner("c1"), .network, [masquerade("10.1.0.2"), masquerade("fd00::2"), isolation(.outside)]),
    RuleSet(owner("c2"), .network, [masquerade("10.1.0.3"), masquerade("fd00::3"), isolation(.outside)]),
    RuleSet(owner("c1"), .ports, [published(8080, to: "10.1.0.2"), published(8080, to: "fd00::2")]),
    RuleSet(
      owner("c2"), .ports,
      [
        published(8081, to: "10.1.0.3") { $0.masquerade?.marking = .bit(3) },
        published(8082, to: "10.1.0.3") { $0.chain = "MESOS" },
        published(8083, to: "10.1.0.3") { $0.chain = "OWN" },
      ]),
    RuleSet(owner("c1"), .firewall, [.admit(Admission(ip("10.1.0.2"), adminChain: "CNI-ADMIN")), isolation(.network)]),
    RuleSet(owner("c2"), .firewall, [.admit(Admission(ip("10.1.0.3"), adminChain: "OPS"))]),
  ]

  static func isolation(_ reach: Isolation.Reach) -> Rule { .isolate(Isolation(name("br0"), reach: reach)) }

  /// Rules of other programs, some with counters that are not 0.
  static let foreignRules = """
    iptables-legacy -A FORWARD -s 192.0.2.7 -j DROP -c 5 500
    iptables-legacy -I FORWARD -j ACCEPT -c 7 700
    iptables-legacy -N OPS
    iptables-legacy -A OPS -s 192.0.2.8 -j DROP -c 1 100
    iptables-legacy -t nat -A PREROUTING -p tcp --dport 22 -j ACCEPT -c 3 300
    iptables-legacy -t nat -N OWN
    iptables-legacy -t nat -A POSTROUTING -s 198.51.100.0/24 -j MASQUERADE -c 2 200
    ip6tables-legacy -t nat -A POSTROUTING -s 2001:db8::/64 -j MASQUERADE -c 4 400
    ip6tables-legacy -P FORWARD DROP
    """

  @Test func `other programs' rules stay with their counters and in their order`() throws {
    let (before, between, after, missing) = try IptablesLab.run { lab in
      try lab.shell(Self.foreignRules)
      let before = try lab.everything()
      let backend = lab.backend
      var between: [String] = []
      for ruleSet in Self.ruleSets {
        try backend.add(ruleSet)
        between.append(try lab.everything())
      }
      let missing = try Self.ruleSets.flatMap { try backend.missing(from: $0) }
      for ruleSet in Self.ruleSets { try backend.remove(ruleSet.owner.filterTag, ruleSet.role, recordedRules: nil) }
      return (before, between, try lab.everything(), missing)
    }
    #expect(after == before)
    #expect(missing.isEmpty)
    for text in between {
      let lines = Set(text.split(separator: "\n"))
      #expect(before.split(separator: "\n").allSatisfy { lines.contains($0) })
    }
  }

  @Test(arguments: ruleSets.indices)
  func `removing one rule set keeps the others`(index: Int) throws {
    let (missing, tags) = try IptablesLab.run { lab in
      try lab.shell(Self.foreignRules)
      let backend = lab.backend
      for ruleSet in Self.ruleSets { try backend.add(ruleSet) }
      let gone = Self.ruleSets[index]
      try backend.remove(gone.owner.filterTag, gone.role, recordedRules: nil)
      let missing = try Self.ruleSets.map { try backend.missing(from: $0) }
      return (missing, try backend.tags(gone.role, prefix: "cni:n/"))
    }
    for (other, rules) in zip(Self.ruleSets.indices, missing) where other != index { #expect(rules.isEmpty) }
    #expect(!missing[index].isEmpty)
    #expect(!tags.contains(Self.ruleSets[index].owner.filterTag))
    #expect(tags.count == 1)
  }

  @Test func `flushed rules are reported missing, and can be added again and removed`() throws {
    let (before, missing, back, after) = try IptablesLab.run { lab in
      let before = try lab.everything()
      let backend = lab.backend
      try lab.shell("iptables-legacy -t nat -N OWN; iptables-legacy -N OPS")
      for ruleSet in Self.ruleSets { try backend.add(ruleSet) }
      try lab.shell("for t in filter nat; do iptables-legacy -t $t -F; ip6tables-legacy -t $t -F; done")
      let missing = try Self.ruleSets.map { try backend.missing(from: $0) }
      for ruleSet in Self.ruleSets { try backend.add(ruleSet) }
      let back = try Self.ruleSets.flatMap { try backend.missing(from: $0) }
      try lab.shell("for t in filter nat; do iptables-legacy -t $t -F; ip6tables-legacy -t $t -F; done")
      for ruleSet in Self.ruleSets { try backend.remove(ruleSet.owner.filterTag, ruleSet.role, recordedRules: nil) }
      // Empty chains stay, because nothing records whether we created them.
      try lab.shell("iptables-legacy -X OPS; iptables-legacy -X CNI-ADMIN; iptables-legacy -t nat -X")
      return (before, missing, back, try lab.everything())
    }
    #expect(missing == Self.ruleSets.map(\.rules))
    #expect(back.isEmpty)
    #expect(after == before)
  }

  @Test func `a published port is refused to another container, and the error names the owner`() throws {
    let (error, holders, unchanged) = try IptablesLab.run { lab in
      let backend = lab.backend
      for ruleSet in Self.ruleSets { try backend.add(ruleSet) }
      let before = try lab.everything()
      let wanted = PublishedPort(.tcp, hostIP: ip("192.0.2.1"), hostPort: 8082, to: ip("10.1.0.9"), 80)
      let ruleSet = RuleSet(owner("c9"), .ports, [published(9000, to: "10.1.0.9"), .publish(wanted)])
      let error = kernelError { () throws(KernelError) in try backend.add(ruleSet) }
      return (error, try backend.holders(of: [wanted]), try lab.everything() == before)
    }
    #expect(error?.errno == .EEXIST)
    #expect(error?.reason.hasPrefix("cni:n/c2/eth0 has host port 8082/tcp to 10.1.0.3:80") == true)
    #expect(holders.map(\.tag) == ["cni:n/c2/eth0"])
    #expect(unchanged)
  }

  @Test func `a second kind of isolation of one bridge is refused`() throws {
    let error = try IptablesLab.run { lab in
      let backend = lab.backend
      try backend.add(Self.ruleSets[0])
      let other = RuleSet(owner("c2"), .network, [Self.isolation(.closed)])
      return kernelError { () throws(KernelError) in try backend.add(other) }
    }
    #expect(error?.errno == .EEXIST)
    #expect(error?.description.contains("cni:n/c1/eth0") == true)
  }

  @Test func `a missing chain that sets marks is an error`() throws {
    let error = try IptablesLab.run { lab in
      let backend = lab.backend
      let rule = published(80, to: "10.1.0.2") { $0.masquerade?.marking = .chain("KUBE-MARK-MASQ") }
      return kernelError { () throws(KernelError) in try backend.add(RuleSet(owner("c1"), .ports, [rule])) }
    }
    #expect(error?.errno == .ENOENT)
    #expect(error?.description.contains("KUBE-MARK-MASQ") == true)
  }
}

/// The error that `body` throws; `nil` if it throws none.
func kernelError(_ body: () throws(KernelError) -> Void) -> KernelError? {
  do throws(KernelError) {
    try body()
    return nil
  } catch {
    return error
  }
}
