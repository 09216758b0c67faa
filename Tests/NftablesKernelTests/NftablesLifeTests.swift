import BaseSupport
import CNI
import Foundation
import Nftables
import PacketFilter
import Testing

extension NftablesTests {
  @Suite struct Life {
    @Test(arguments: PluginRole.allCases, [true, false])
    func `add makes all rules and remove restores the previous ruleset`(role: PluginRole, isKnown: Bool) throws {
      let ruleSet = RuleSet(try owner("c1"), role, try everyKind(role))
      let (before, missingBefore, between, missing, tags, after) = try onHost {
        let backend = NftablesBackend()
        let before = try ruleset()
        let missingBefore = try backend.missing(from: ruleSet)
        try backend.add(ruleSet)
        let between = try nft("-j", "list", "ruleset")
        let missing = try backend.missing(from: ruleSet)
        let tags = try backend.tags(role, prefix: "cni:net/")
        try backend.remove(ruleSet.owner.filterTag, role, recordedRules: isKnown ? ruleSet.rules : nil)
        return (before, missingBefore, between, missing, tags, try ruleset())
      }
      #expect(missingBefore == ruleSet.rules)
      #expect(between.contains("cni:net/c1/eth0 \(role.rawValue)"))
      #expect(missing == [])
      #expect(tags == ["cni:net/c1/eth0"])
      #expect(after == before)
    }

    @Test func `each kind of rule can be added and removed alone`() throws {
      for rule in try everyKind(.network) {
        let ruleSet = RuleSet(try owner("c1"), .network, [rule])
        let (before, missing, after) = try onHost {
          let backend = NftablesBackend()
          let before = try ruleset()
          try backend.add(ruleSet)
          let missing = try backend.missing(from: ruleSet)
          try backend.remove(ruleSet.owner.filterTag, ruleSet.role, recordedRules: ruleSet.rules)
          return (before, missing, try ruleset())
        }
        #expect(missing == [], "\(rule)")
        #expect(after == before, "\(rule)")
      }
    }

    @Test(arguments: [true, false])
    func `shared rules are removed with the second owner`(isKnown: Bool) throws {
      let shared = try everyKind(.network).filter {
        if case .isolate = $0 { true } else { false }
      }
      let first = RuleSet(
        try owner("c1"), .network,
        shared + [try .masquerade(Masquerade(address("10.1.0.2"), in: prefix("10.1.0.1/24")))])
      let second = RuleSet(
        try owner("c2"), .network,
        shared + [try .masquerade(Masquerade(address("10.1.0.3"), in: prefix("10.1.0.1/24")))])
      let (alone, missing, left, before, after) = try onHost {
        let backend = NftablesBackend()
        let before = try ruleset()
        try backend.add(second)
        let alone = try ruleset()
        try backend.add(first)
        try backend.remove(first.owner.filterTag, .network, recordedRules: isKnown ? first.rules : nil)
        let missing = try backend.missing(from: second)
        let left = try ruleset()
        try backend.remove(second.owner.filterTag, .network, recordedRules: isKnown ? second.rules : nil)
        return (alone, missing, left, before, try ruleset())
      }
      #expect(missing == [])
      #expect(left == alone)
      #expect(after == before)
    }

    @Test func `network and firewall rules isolate one bridge independently`() throws {
      let rule = try Rule.isolate(Isolation(name("br0"), reach: .network))
      let other = try Rule.isolate(Isolation(name("br0"), reach: .closed))
      let network = RuleSet(try owner("c1"), .network, [rule])
      let firewall = RuleSet(try owner("c1"), .firewall, [other])
      let (missing, before, after) = try onHost {
        let backend = NftablesBackend()
        let before = try ruleset()
        try backend.add(network)
        try backend.add(firewall)
        try backend.remove(network.owner.filterTag, .network, recordedRules: nil)
        let missing = try backend.missing(from: firewall)
        try backend.remove(firewall.owner.filterTag, .firewall, recordedRules: nil)
        return (missing, before, try ruleset())
      }
      #expect(missing == [])
      #expect(after == before)
    }

    @Test(arguments: [true, false])
    func `after nft flush ruleset all rules are missing and remove changes nothing`(isKnown: Bool) throws {
      let ruleSet = RuleSet(try owner("c1"), .ports, try everyKind(.ports))
      let (after, missing) = try onHost {
        let backend = NftablesBackend()
        try backend.add(ruleSet)
        _ = try nft("flush", "ruleset")
        let missing = try backend.missing(from: ruleSet)
        try backend.remove(ruleSet.owner.filterTag, .ports, recordedRules: isKnown ? ruleSet.rules : nil)
        return (try ruleset(), missing)
      }
      #expect(after == "")
      #expect(missing == ruleSet.rules)
    }

    @Test(arguments: [
      "delete element inet swift_cni ports4 { tcp . 8080 }", "delete element inet swift_cni masquerade6 { fd00::2 }",
      "flush map inet swift_cni owners", "flush set inet swift_cni admitted4", "flush chain inet swift_cni postrouting",
      "delete table bridge swift_cni", "flush set bridge swift_cni allowed",
    ])
    func `partly deleted rules are reported, restored and removed completely`(command: String) throws {
      let ruleSet = RuleSet(try owner("c1"), .ports, try everyKind(.ports))
      let (missing, missingAgain, before, after) = try onHost {
        let backend = NftablesBackend()
        let before = try ruleset()
        try backend.add(ruleSet)
        _ = try nft("-f", "-", input: command)
        let missing = try backend.missing(from: ruleSet)
        try backend.add(ruleSet)
        let missingAgain = try backend.missing(from: ruleSet)
        _ = try nft("-f", "-", input: command)
        try backend.remove(ruleSet.owner.filterTag, .ports, recordedRules: ruleSet.rules)
        return (missing, missingAgain, before, try ruleset())
      }
      #expect(!missing.isEmpty)
      #expect(after == before)
      if !command.contains("postrouting") { #expect(missingAgain == []) }
    }

    @Test func `concurrent adds and removes lose no rules and leave none`() throws {
      let ruleSets = try (1...8).map { number in
        var spare = try port(8080, to: "10.1.0.\(number)")
        spare.isSpare = true
        return RuleSet(
          try owner("c\(number)"), .network,
          try [
            .masquerade(Masquerade(address("10.1.0.\(number)"), in: prefix("10.1.0.1/24"))),
            .isolate(Isolation(name("br0"), reach: .network)), .publish(spare),
          ])
      }
      let (before, failures, after) = try onHost {
        let before = try ruleset()
        return (before, try addAndRemoveAtOnce(ruleSets), try ruleset())
      }
      #expect(failures == [])
      #expect(after == before)
    }
  }
}
