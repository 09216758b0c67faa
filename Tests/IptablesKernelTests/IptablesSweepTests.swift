import Kernel
import NetTypes
import PacketFilter
import Testing
import TestSupport
@testable import Iptables

/// Removal of rules and shared chains, in legacy tables and in those of nf_tables.
@Suite(.needsKernel) struct IptablesSweepTests {
  private static func backend(_ lab: IptablesLab, _ variant: Variant) -> IptablesBackend {
    let backend = lab.backend
    backend.onlyVariant = variant
    return backend
  }

  private static func saved(_ lab: IptablesLab, _ variant: Variant) throws -> [String] {
    let suffix = variant == .legacy ? "legacy" : "nft"
    return try lab.shell("iptables-\(suffix)-save; ip6tables-\(suffix)-save")
      .split(separator: "\n").filter { !$0.hasPrefix("#") }.map { String($0.prefix { $0 != "[" }) }
  }

  private static func setUp(_ lab: IptablesLab, _ variant: Variant) throws {
    let suffix = variant == .legacy ? "legacy" : "nft"
    try lab.shell(
      """
      for v in iptables-\(suffix) ip6tables-\(suffix); do
        $v -P FORWARD DROP; $v -N OPS; $v -t nat -N OWN; $v -t nat -A PREROUTING -p tcp --dport 22 -j ACCEPT
      done
      """)
  }

  private static let ruleSets =
    IptablesLifeTests.ruleSets
    + ["c3", "c4"].map { RuleSet(owner($0), .network, [masquerade("10.1.0.4")] + passages) }
    + ["c3", "c4"].map { RuleSet(owner($0), .firewall, [admission("OPS"), admission("NOMAD-ADMIN")]) }

  private static let passages = [
    Rule.pass(Passage(net("10.1.0.0/24"), .outbound)), .pass(Passage(net("fd00::/64"), .published)),
  ]

  private static func admission(_ chain: String) -> Rule {
    let subnet = chain == "OPS" ? net("10.1.0.0/24") : net("10.2.0.0/24")
    return .admit(
      Admission(subnet.address, adminChain: chain, network: Admission.Network(name("br0"), subnet)))
  }

  @Test(arguments: Variant.allCases)
  func `removal in any order keeps other owners' rules, and the last removal restores the ruleset`(variant: Variant)
    throws
  {
    let (before, missing, after) = try IptablesLab.run(touched: variant == .legacy) { lab in
      try Self.setUp(lab, variant)
      let before = try Self.saved(lab, variant)
      let backend = Self.backend(lab, variant)
      var missing: [Rule] = []
      for order in [Self.ruleSets, Self.ruleSets.reversed(), Self.ruleSets.shuffled()] {
        for ruleSet in Self.ruleSets { try backend.add(ruleSet) }
        for (index, ruleSet) in order.enumerated() {
          try backend.remove(
            ruleSet.owner.filterTag, ruleSet.role, recordedRules: index.isMultiple(of: 2) ? ruleSet.rules : nil)
          missing += try order[(index + 1)...].flatMap { try backend.missing(from: $0) }
        }
      }
      return (before, missing, try Self.saved(lab, variant))
    }
    #expect(missing == [])
    #expect(after == before)
  }

  @Test(arguments: Variant.allCases)
  func `a replacement adds missing rules and keeps the guard of 127.0.0.0/8`(variant: Variant) throws {
    let suffix = variant == .legacy ? "legacy" : "nft"
    let (guards, missing, before, after) = try IptablesLab.run(touched: variant == .legacy) { lab in
      try Self.setUp(lab, variant)
      let before = try Self.saved(lab, variant)
      let ruleSet = RuleSet(owner("c1"), .ports, [published(8080, to: "10.1.0.2"), published(8080, to: "fd00::2")])
      let backend = Self.backend(lab, variant)
      try backend.add(ruleSet)
      try lab.shell("iptables-\(suffix) -t nat -F; ip6tables-\(suffix) -t nat -F")
      var guards: [Bool] = []
      for _ in 1...3 {
        guards.append(try lab.shell("iptables-\(suffix)-save -t filter").contains("cni: loopback guard"))
        backend.tables.beforeCommit = { (_) throws(KernelError) in
          guard (try? lab.shell("iptables-\(suffix)-save -t filter").contains("cni: loopback guard")) == true else {
            throw KernelError("look for the guard", errno: .ENOENT, reason: "missing")
          }
        }
        try backend.replace(nil, with: ruleSet)
      }
      backend.tables.beforeCommit = { (_) in }
      let missing = try backend.missing(from: ruleSet)
      try backend.remove(ruleSet.owner.filterTag, ruleSet.role, recordedRules: ruleSet.rules)
      return (guards, missing, before, try Self.saved(lab, variant))
    }
    #expect(guards == [true, true, true])
    #expect(missing == [])
    #expect(after == before.filter { !$0.contains("--dport 22") })
  }

  @Test(arguments: Variant.allCases)
  func `a chain that an operator's rule jumps to is emptied with its last owner but not deleted`(variant: Variant)
    throws
  {
    let (with, after) = try IptablesLab.run { lab in
      let command = "iptables-\(variant == .legacy ? "legacy" : "nft") -t nat"
      try lab.shell("\(command) -N OPS")
      let backend = Self.backend(lab, variant)
      let ruleSets = ["c1", "c2"].map { RuleSet(owner($0), .network, [masquerade("10.1.0.2")]) }
      for ruleSet in ruleSets { try backend.add(ruleSet) }
      try lab.shell("\(command) -A OPS -j $(\(command) -S | sed -n 's/^-N \\(CNI-M-.*\\)/\\1/p')")
      try backend.remove(ruleSets[0].owner.filterTag, .network, recordedRules: ruleSets[0].rules)
      let with = try lab.shell("\(command) -S")
      try backend.remove(ruleSets[1].owner.filterTag, .network, recordedRules: ruleSets[1].rules)
      return (with, try lab.shell("\(command) -S"))
    }
    #expect(with.contains("-A CNI-OUTBOUND "))
    #expect(with.contains("-j MASQUERADE"))
    let lines = after.split(separator: "\n").filter { !$0.hasPrefix("-P") }
    #expect(lines.count == 3, "\(after)")
    #expect(
      lines.allSatisfy { $0.hasPrefix("-N OPS") || $0.hasPrefix("-N CNI-M-") || $0.hasPrefix("-A OPS -j CNI-M-") })
  }

  @Test(arguments: Variant.allCases)
  func `rules appended before a chain is read are its last rules, and their jumps are counted`(variant: Variant) throws
  {
    let result = try IptablesLab.run(touched: variant == .legacy) { lab in
      let command = "iptables-\(variant == .legacy ? "legacy" : "nft")"
      try lab.shell("\(command) -N TO; \(command) -N FROM; \(command) -A TO -j DROP; \(command) -A FROM -j TO")
      var table = try Table.read(TableName(.filter, .v4), variant)
      for text in ["cni:n/c1/eth0 network", "cni:n/c2/eth0 network"] {
        try table.append(TableRule(.v4, .comment(text), target: .jump("TO")).bytes, to: "FROM")
      }
      let comments = table.rules(in: "FROM").map { $0.comment ?? "" }
      let references = table.references(to: "TO")
      try table.delete(from: "FROM", marked: "cni:n/c1/eth0 network")
      try table.append(TableRule(.v4, target: .returnToCaller).bytes, to: "FROM")
      let isThere = ["c1", "c2"].map { name in
        table.has(in: "FROM", containing: name) { $0.hasOwnerComment("cni:n/\(name)/eth0 network") }
      }
      let left = table.references(to: "TO")
      try table.commit()
      return (comments, references, isThere, left, try lab.shell("\(command) -S FROM"))
    }
    #expect(result.0 == ["", "cni:n/c1/eth0 network", "cni:n/c2/eth0 network"])
    #expect(result.1 == 3)
    #expect(result.2 == [false, true])
    #expect(result.3 == 2)
    #expect(
      result.4 == """
        -N FROM
        -A FROM -j TO
        -A FROM -m comment --comment "cni:n/c2/eth0 network" -j TO
        -A FROM -j RETURN

        """)
  }
}
