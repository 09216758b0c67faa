import CNI
import LabSupport
import NetTypes
import PacketFilter
import Testing

// Group: kernel

/// Isolation of networks that consist of a bridge and a link to other hosts.
@Suite(.needsRoot, .serialized) struct PartnerTests {
  /// A configuration and a table of the connections that must succeed, from the row's place to the column's.
  struct Case: CustomTestStringConvertible, Sendable {
    var reach: Isolation.Reach
    var separates = false
    /// Whether network `a` has hosts before the uplink, `out` among them, and rule sets the addresses of `n` for them too.
    var isDirect = false
    var table: String

    var testDescription: String { "\(reach)\(separates ? ", separating" : "")\(isDirect ? ", direct" : "")" }

    var rows: [[String]] {
      table.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    }

    /// Each pair of places, and whether connections from the first to the second must succeed.
    var pairs: [(from: String, to: String, passes: Bool)] {
      rows.dropFirst().flatMap { row in
        zip(rows[0].dropFirst(), row.dropFirst()).filter { $1 != "." }.map { (row[0], $0, $1 == "+") }
      }
    }
  }

  static let cases = [
    Case(
      reach: .network,
      table: """
        from  a  a' b  b' n  n' out
        a     .  +  -  -  -  -  +
        a'    +  .  -  -  -  -  +
        b     -  -  .  +  -  -  +
        b'    -  -  +  .  -  -  +
        n     -  -  -  -  .  +  +
        n'    -  -  -  -  +  .  +
        out   -  -  -  -  +  +  .
        """),
    Case(
      reach: .network, separates: true,
      table: """
        from  a  a' b  b' n  n' out
        a     .  -  -  -  -  -  +
        a'    -  .  -  -  -  -  +
        b     -  -  .  -  -  -  +
        b'    -  -  -  .  -  -  +
        n     -  -  -  -  .  +  +
        n'    -  -  -  -  +  .  +
        out   -  -  -  -  +  +  .
        """),
    Case(
      reach: .closed,
      table: """
        from  a  a' b  b' n  n' out
        a     .  +  -  -  -  -  -
        a'    +  .  -  -  -  -  -
        b     -  -  .  +  -  -  -
        b'    -  -  +  .  -  -  -
        n     -  -  -  -  .  +  +
        n'    -  -  -  -  +  .  +
        out   -  -  -  -  +  +  .
        """),
    Case(
      reach: .outside,
      table: """
        from  a  a' b  b' n  n' out
        a     .  +  -  -  +  +  +
        a'    +  .  -  -  +  +  +
        b     -  -  .  +  +  +  +
        b'    -  -  +  .  +  +  +
        n     +  +  +  +  .  +  +
        n'    +  +  +  +  +  .  +
        out   +  +  +  +  +  +  .
        """),
    Case(
      reach: .network, isDirect: true,
      table: """
        from  a  a' b  b' n  n' out
        a     .  +  -  -  -  -  +
        a'    +  .  -  -  -  -  +
        b     -  -  .  +  -  -  +
        b'    -  -  +  .  -  -  +
        n     -  -  -  -  .  +  +
        n'    -  -  -  -  +  .  +
        out   +  +  -  -  +  +  .
        """),
    Case(
      reach: .network, separates: true, isDirect: true,
      table: """
        from  a  a' b  b' n  n' out
        a     .  -  -  -  -  -  -
        a'    -  .  -  -  -  -  -
        b     -  -  .  -  -  -  +
        b'    -  -  -  .  -  -  +
        n     -  -  -  -  .  +  +
        n'    -  -  -  -  +  .  +
        out   -  -  -  -  +  +  .
        """),
    Case(
      reach: .closed, isDirect: true,
      table: """
        from  a  a' b  b' n  n' out
        a     .  +  -  -  -  -  +
        a'    +  .  -  -  -  -  +
        b     -  -  .  +  -  -  -
        b'    -  -  +  .  -  -  -
        n     -  -  -  -  .  +  +
        n'    -  -  -  -  +  .  +
        out   +  +  -  -  +  +  .
        """),
    Case(
      reach: .outside, separates: true, isDirect: true,
      table: """
        from  a  a' b  b' n  n' out
        a     .  -  -  -  -  +  -
        a'    -  .  -  -  -  +  -
        b     -  -  .  -  +  +  +
        b'    -  -  -  .  +  +  +
        n     -  -  +  +  .  +  +
        n'    +  +  +  +  +  .  +
        out   -  -  +  +  +  +  .
        """),
  ]

  private func ruleSets(
    _ reach: Isolation.Reach, _ separates: Bool, hasPartner: Bool = true, isDirect: Bool = false
  ) throws -> [RuleSet] {
    try ["a", "b"].map { network in
      var rule = Isolation(try name("br-\(network)"), reach: reach, separatesContainers: separates)
      if hasPartner { rule.partner = try name("vx-\(network)") }
      if isDirect, network == "a" {
        rule.directPrefixes = try ["out", "n"].flatMap(TwoHosts.prefixes).map { try #require(IPPrefix($0)) }
      }
      return RuleSet(try owner(network), .network, [.isolate(rule)])
    }
  }

  @Test(arguments: Backend.allCases, cases)
  func `a network's bridge and partner are one network, isolated from other networks`(backend: Backend, it: Case) throws
  {
    try TwoHosts.use { hosts in
      let before = try hosts.ruleset()
      let ruleSets = try ruleSets(it.reach, it.separates, isDirect: it.isDirect)
      let missing = try backend.use(in: hosts.lab.path(hosts.lab.host)) { (backend) throws(KernelError) in
        for ruleSet in ruleSets { try backend.add(ruleSet) }
        return try ruleSets.map { (ruleSet) throws(KernelError) in try backend.missing(from: ruleSet) }
      }
      #expect(missing == [[], []])
      let wanted = it.pairs.filter(\.passes).map { "\($0.from) \($0.to) 80" }.sorted()
      let passed = try hosts.passages(it.pairs.map { ($0.from, $0.to, 80) }, expecting: wanted)
      #expect(passed == wanted)
      try backend.use(in: hosts.lab.path(hosts.lab.host)) { (backend) throws(KernelError) in
        for ruleSet in ruleSets { try backend.remove(ruleSet.owner.filterTag, .network, recordedRules: ruleSet.rules) }
      }
      #expect(try hosts.ruleset() == before)
    }
  }

  @Test(arguments: Backend.allCases)
  func `links opens one port between isolated containers, also through the partner`(backend: Backend) throws {
    try TwoHosts.use { hosts in
      var ruleSet = try ruleSets(.network, true)[0]
      for (from, to) in zip(TwoHosts.addresses("a"), TwoHosts.addresses("a'")) {
        ruleSet.rules.append(
          .link(AllowedConnection(try name("br-a"), from: try address(from), to: try address(to), .tcp, 80)))
      }
      let wanted = ruleSet
      try backend.use(in: hosts.lab.path(hosts.lab.host)) { (backend) throws(KernelError) in try backend.add(wanted) }
      let questions = [("a", "a'", 80), ("a", "a'", 81), ("a'", "a", 80), ("a", "out", 81)]
      let expected = ["a a' 80", "a out 81"]
      let passed = try hosts.passages(questions, expecting: expected)
      #expect(passed == expected)
    }
  }

  /// Commands that delete the rules of one of the two links.
  static let deletions = [
    (Backend.nftables, #"nft delete element inet swift_cni entering_network '{ "vx-a" }'"#),
    (.nftables, #"nft delete element inet swift_cni leaving_network '{ "vx-a" }'"#),
    (.nftables, #"nft delete element inet swift_cni isolated_network '{ "vx-a" }'"#),
    (.iptables, "iptables-legacy -D CNI-ISOLATION -o vx-a -j $(iptables-legacy -S CNI-ISOLATION | sed -n '$s/.* //p')"),
    (.iptables, "ip6tables-legacy -D CNI-ISOLATED -o vx-a -j DROP"),
  ]

  @Test(arguments: deletions, [true, false])
  func `deleted rules of a partner are reported, and the rest is removed with the last owner`(
    deletion: (backend: Backend, script: String), isKnown: Bool
  ) throws {
    try TwoHosts.use { hosts in
      let before = try hosts.ruleset()
      let ruleSet = try ruleSets(.network, true)[0]
      var second = ruleSet
      second.owner = try owner("a", "c2")
      let all = [ruleSet, second]
      let path = hosts.lab.path(hosts.lab.host)
      try deletion.backend.use(in: path) { (backend) throws(KernelError) in
        for ruleSet in all { try backend.add(ruleSet) }
      }
      try hosts.lab.shell(deletion.script, in: hosts.lab.host)
      let missing = try deletion.backend.use(in: path) { (backend) throws(KernelError) in
        let missing = try all.map { (ruleSet) throws(KernelError) in try backend.missing(from: ruleSet) }
        for ruleSet in all {
          try backend.remove(ruleSet.owner.filterTag, .network, recordedRules: isKnown ? ruleSet.rules : nil)
        }
        return missing
      }
      #expect(missing == [ruleSet.rules, ruleSet.rules])
      #expect(try hosts.ruleset() == before)
    }
  }

  @Test(arguments: Backend.allCases)
  func `a different partner for a shared bridge is refused`(backend: Backend) throws {
    try TwoHosts.use { hosts in
      let first = try ruleSets(.network, false)[0]
      var second = try ruleSets(.network, false, hasPartner: false)[0]
      second.owner = try owner("n")
      let other = second
      let refusal = try backend.use(in: hosts.lab.path(hosts.lab.host)) { (backend) throws(KernelError) in
        try backend.add(first)
        do throws(KernelError) {
          try backend.add(other)
          return nil as KernelError?
        } catch { return error }
      }
      #expect(refusal?.errno == .EEXIST)
      #expect(refusal?.description.contains("want the same") == true)
    }
  }
}
