import CNI
import Foundation
import NetTypes
import Nftables
import PacketFilter
import TestSupport
import Testing

extension NftablesTests {
  /// Back-ends of services.
  @Suite struct Services {
    private var backend: NftablesBackend { NftablesBackend() }

    private func ruleSet(
      _ number: Int, _ scheduler: BackEnd.Scheduler = .random, weight: Int = 1, of service: String = "web"
    ) throws -> RuleSet {
      let backEnds = try [
        ("10.5.255.10", "10.1.0.\(number)", "10.1.0.1/24"), ("fd05::10", "fd00::\(number)", "fd00::1/64"),
      ]
      .map { vip, target, subnet in
        try BackEnd(
          of: service, address(vip), .tcp, 80, scheduler, to: address(target), 8080, in: prefix(subnet), weight: weight)
      }
      let published = try BackEnd(
        of: service, nil, .tcp, 80, scheduler, to: address("10.1.0.\(number)"), 8080, in: prefix("10.1.0.1/24"),
        weight: weight)
      return try RuleSet(
        owner("c\(number)"), .services, (backEnds + [published]).map(Rule.balance), backend: .nftables)
    }

    /// The rule for IPv4 connections to the virtual address.
    private func rule(_ scheduler: String = "random") throws -> String {
      let chain = try ruleset().components(separatedBy: "chain service_\(scheduler)_4").dropFirst().map {
        $0.split(separator: "\n").dropFirst()[1].trimmingCharacters(in: .whitespaces)
      }
      #expect(Set(chain).count <= 1)
      return chain.first ?? ""
    }

    @Test func `each change makes the rule with all back-ends, and the last one leaves nothing`() throws {
      try onHost {
        let all = try (2...4).map { try ruleSet($0) }
        for one in all { try backend.add(one) }
        #expect(
          try rule()
            == "meta nfproto ipv4 meta l4proto tcp dnat ip to numgen random mod 3 map { 0 : 10.1.0.2 . 8080, 1 : 10.1.0.3 . 8080, 2 : 10.1.0.4 . 8080 }"
        )
        let rules = try ruleset()
        _ = try nft("-c", "-f", "-", input: "flush ruleset\n\(rules)")
        for one in all { #expect(try backend.missing(from: one) == []) }
        try backend.remove(all[1].owner.filterTag, .services, recordedRules: all[1].rules)
        #expect(try rule().hasSuffix("mod 2 map { 0 : 10.1.0.2 . 8080, 1 : 10.1.0.4 . 8080 }"))
        #expect(try backend.missing(from: all[0]) == [])
        try backend.remove(all[0].owner.filterTag, .services, recordedRules: nil)
        #expect(try rule().hasSuffix("mod 1 map { 0 : 10.1.0.4 . 8080 }"))
        try backend.remove(all[2].owner.filterTag, .services, recordedRules: all[2].rules)
        #expect(try !ruleset().contains("swift_cni"))
      }
    }

    @Test func `weights are shares, and a back-end of weight 0 takes nothing`() throws {
      try onHost {
        try backend.add(ruleSet(2, .source, weight: 50))
        try backend.add(ruleSet(3, .source, weight: 100))
        try backend.add(ruleSet(4, .source, weight: 0))
        #expect(
          try rule("source").hasSuffix(
            "jhash ip saddr mod 3 seed 0x1 map { 0 : 10.1.0.2 . 8080, 1 : 10.1.0.3 . 8080, 2 : 10.1.0.3 . 8080 }"))
        try backend.replace(ruleSet(3, .source, weight: 100), with: ruleSet(3, .source, weight: 0))
        #expect(try rule("source").hasSuffix("mod 1 seed 0x1 map { 0 : 10.1.0.2 . 8080 }"))
        try backend.replace(nil, with: ruleSet(2, .source, weight: 0))
        #expect(try !ruleset().contains("jhash"))
        for number in 2...4 { #expect(try backend.missing(from: ruleSet(number, .source, weight: 0)) == []) }
      }
    }

    private func members(_ numbers: [Int]) throws -> [ServiceMember] {
      try numbers.map { try ruleSet($0) }.flatMap { ruleSet in
        ruleSet.rules.compactMap {
          if case .balance(let backEnd) = $0 { ServiceMember(ruleSet.owner, backEnd) } else { nil }
        }
      }
    }

    @Test func `members that are out take nothing, and changes of others leave them out`() throws {
      try onHost {
        let all = try (2...4).map { try ruleSet($0) }
        for one in all { try backend.add(one) }
        let before = try ruleset(), out = try members([2])
        #expect(try backend.setMembers(out: out + members([9]), in: members([3])) == out)
        #expect(try rule().hasSuffix("mod 2 map { 0 : 10.1.0.3 . 8080, 1 : 10.1.0.4 . 8080 }"))
        #expect(try backend.setMembers(out: out, in: []) == [])
        #expect(
          try backend.states(of: members([2, 3, 9]))
            == [.isOut, .isIn, .isMissing].flatMap { Array(repeating: $0, count: 3) })
        for one in all { #expect(try backend.missing(from: one) == []) }
        _ = try nft("-c", "-f", "-", input: "flush ruleset\n\(ruleset())")
        try backend.remove(all[2].owner.filterTag, .services, recordedRules: all[2].rules)
        #expect(try rule().hasSuffix("mod 1 map { 0 : 10.1.0.3 . 8080 }"))
        try backend.replace(all[0], with: all[0])
        try backend.add(all[2])
        #expect(try rule().hasSuffix("mod 2 map { 0 : 10.1.0.3 . 8080, 1 : 10.1.0.4 . 8080 }"))
        #expect(try backend.setMembers(out: [], in: members([2, 3, 4])) == out)
        #expect(try ruleset() == before)
      }
    }

    @Test func `without members that are in there is no rule, and a member that leaves is in when it returns`() throws {
      try onHost {
        let one = try ruleSet(2), two = try ruleSet(3)
        for each in [one, two] { try backend.add(each) }
        _ = try backend.setMembers(out: members([2, 3]), in: [])
        #expect(try !ruleset().contains("numgen"))
        for each in [one, two] { #expect(try backend.missing(from: each) == []) }
        try backend.remove(one.owner.filterTag, .services, recordedRules: one.rules)
        try backend.add(one)
        #expect(try rule().hasSuffix("mod 1 map { 0 : 10.1.0.2 . 8080 }"))
        #expect(try backend.states(of: members([2, 3])) == [.isIn, .isOut].flatMap { Array(repeating: $0, count: 3) })
        _ = try nft("flush", "ruleset")
        #expect(try backend.setMembers(out: members([2]), in: []) == [])
        for each in [one, two] { try backend.replace(each, with: each) }
        #expect(try rule().hasSuffix("mod 2 map { 0 : 10.1.0.2 . 8080, 1 : 10.1.0.3 . 8080 }"))
        _ = try backend.setMembers(out: members([2]), in: [])
        try backend.remove(one.owner.filterTag, .services, recordedRules: nil)
        try backend.remove(two.owner.filterTag, .services, recordedRules: nil)
        #expect(try !ruleset().contains("swift_cni"))
      }
    }

    @Test func `another service at the address is refused, and nothing is changed`() throws {
      try onHost {
        try backend.add(ruleSet(2))
        let before = try ruleset()
        for other in try [ruleSet(3, of: "other"), ruleSet(3, .roundRobin)] {
          let error = #expect(throws: KernelError.self) { try backend.add(other) }
          #expect(error?.errno == .EEXIST && error?.reason.contains("service") == true)
        }
        #expect(try ruleset() == before)
      }
    }

    @Test func `a rule that another program deleted is missing`() throws {
      try onHost {
        let one = try ruleSet(2), two = try ruleSet(3)
        for each in [one, two] { try backend.add(each) }
        let chain = try #require(
          ruleset().split { " \n\t{},:".contains($0) }.first {
            $0.hasPrefix("service_random_6") && !$0.hasSuffix("members") && !$0.hasSuffix("down")
          })
        _ = try nft("flush", "chain", "inet", "swift_cni", String(chain))
        #expect(try backend.missing(from: one) == [one.rules[1]])
        try backend.replace(one, with: one)
        for each in [one, two] { #expect(try backend.missing(from: each) == []) }
      }
    }

    /// One owner with several back-ends of each chain, as for those of other hosts.
    private func far(_ numbers: [Int]) throws -> RuleSet {
      try RuleSet(owner("far"), .services, numbers.flatMap { try ruleSet($0).rules }, backend: .nftables)
    }

    private func members(of ruleSet: RuleSet, _ number: Int) throws -> [ServiceMember] {
      try members([number]).map { ServiceMember(ruleSet.owner, $0.backEnd) }
    }

    @Test func `a back-end of another host that is out may leave, return, and go with the others`() throws {
      try onHost {
        let all = try far([2, 3, 4]), fewer = try far([3, 4]), one = try ruleSet(5)
        try backend.add(one)
        try backend.add(all)
        let out = try members(of: all, 2)
        #expect(try backend.setMembers(out: out, in: []) == out)
        try backend.replace(all, with: fewer)
        #expect(
          try rule().hasSuffix("mod 3 map { 0 : 10.1.0.3 . 8080, 1 : 10.1.0.4 . 8080, 2 : 10.1.0.5 . 8080 }"))
        try backend.replace(fewer, with: all)
        #expect(try backend.states(of: out) == [.isIn, .isIn, .isIn])
        #expect(try rule().contains("10.1.0.2 . 8080"))
        #expect(try backend.setMembers(out: out, in: []) == out)
        try backend.remove(all.owner.filterTag, .services, recordedRules: all.rules)
        #expect(try rule().hasSuffix("mod 1 map { 0 : 10.1.0.5 . 8080 }"))
      }
    }

    @Test func `repair of a member that is out leaves it out until it is taken in`() throws {
      try onHost {
        let one = try ruleSet(2), two = try ruleSet(3), out = try members([2])
        for each in [one, two] { try backend.add(each) }
        _ = try backend.setMembers(out: out, in: [])
        let chain = try #require(
          ruleset().split { " \n\t{},:".contains($0) }.first {
            $0.hasPrefix("service_random_6") && !$0.hasSuffix("members") && !$0.hasSuffix("down")
          })
        _ = try nft("flush", "chain", "inet", "swift_cni", String(chain))
        try backend.replace(one, with: one)
        #expect(try backend.states(of: out) == [.isOut, .isOut, .isOut])
        #expect(try rule().hasSuffix("mod 1 map { 0 : 10.1.0.3 . 8080 }"))
        #expect(try backend.setMembers(out: [], in: out) == out)
        #expect(try rule().hasSuffix("mod 2 map { 0 : 10.1.0.2 . 8080, 1 : 10.1.0.3 . 8080 }"))
      }
    }

    @Test func `a container with the address of a dead one that was out is in`() throws {
      try onHost {
        let dead = try ruleSet(2), two = try ruleSet(3)
        for each in [dead, two] { try backend.add(each) }
        _ = try backend.setMembers(out: members([2]), in: [])
        let new = RuleSet(try owner("new"), .services, dead.rules, backend: .nftables)
        try backend.add(new)
        #expect(try backend.states(of: members(of: new, 2)) == [.isIn, .isIn, .isIn])
        #expect(try rule().hasSuffix("mod 2 map { 0 : 10.1.0.2 . 8080, 1 : 10.1.0.3 . 8080 }"))
      }
    }
  }
}
