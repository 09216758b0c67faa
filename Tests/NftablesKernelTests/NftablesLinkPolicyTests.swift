import CNI
import Foundation
import NetTypes
import Nftables
import PacketFilter
import TestSupport
import Testing

extension NftablesTests {
  /// How the containers of a link get to the rules of their policies.
  @Suite struct LinkPolicies {
    private var backend: NftablesBackend { NftablesBackend() }

    /// The rules of a container whose policy opens this port.
    private func ruleSet(_ container: Int, port: UInt16 = 80) throws -> RuleSet {
      let open = Policy.Permission(.network("front"), [PortSpan(port...port, .tcp)])
      let policy = try Policy(
        of: [address("10.1.0.\(container + 1)"), address("fd00::\(container + 1)")], on: [name("br0")],
        ingress: [open], egress: [])
      return try RuleSet(owner("c\(container)"), .policies, [.limit(policy)], backend: .nftables)
    }

    private func remove(_ ruleSet: RuleSet, isRecorded: Bool) throws {
      try backend.remove(ruleSet.owner.filterTag, .policies, recordedRules: isRecorded ? ruleSet.rules : nil)
    }

    /// The lines of the elements that lead packets to a chain.
    private func jumps() throws -> [Substring] {
      try ["limited_links", "limited_in_links", "limited_in4", "limited_in6", "limited_out4", "limited_out6"].flatMap {
        try nft("list", "map", "inet", "swift_cni", $0).split(separator: "\n").filter { $0.contains("jump") }
      }
    }

    @Test(arguments: [true, false])
    func `containers with the same policy add no jump, and the last one removes it`(isRecorded: Bool) throws {
      try onHost {
        let first = try ruleSet(1), second = try ruleSet(2)
        try backend.add(first)
        let before = try jumps()
        #expect(before.count == 2)
        try backend.add(second)
        #expect(try jumps() == before)
        try remove(first, isRecorded: isRecorded)
        #expect(try jumps() == before)
        #expect(try backend.missing(from: second).isEmpty)
        #expect(try !ruleset().contains("10.1.0.2 "))
        try remove(second, isRecorded: isRecorded)
        #expect(try !ruleset().contains("swift_cni"))
      }
    }

    @Test(arguments: [true, false])
    func `a second policy on the link has elements of its containers`(isRecorded: Bool) throws {
      try onHost {
        let old = try ruleSet(1), new = try ruleSet(2, port: 81), later = try ruleSet(3, port: 81)
        try backend.add(old)
        try backend.add(new)
        let jumps = try jumps().joined()
        #expect(jumps.contains("\"br0\" . 10.1.0.3 ") && jumps.contains("\"br0\" . fd00::3 "))
        #expect(try backend.missing(from: new).isEmpty && backend.missing(from: old).isEmpty)
        #expect(try backend.missing(from: later) == later.rules)
        guard case .limit(let policy) = new.rules[0] else { return }
        #expect(try backend.deniedPackets(by: policy)?.ingress == 0)
        // The link is free again, so the same policy is there in both forms.
        try remove(old, isRecorded: isRecorded)
        try backend.add(later)
        #expect(try self.jumps().joined().contains("\"br0\" comment \"limit_in_"))
        #expect(try backend.missing(from: new).isEmpty && backend.missing(from: later).isEmpty)
        try remove(later, isRecorded: isRecorded)
        #expect(try backend.missing(from: new).isEmpty)
        try remove(new, isRecorded: isRecorded)
        #expect(try !ruleset().contains("swift_cni"))
      }
    }

    @Test func `a policy replaces another in both forms`() throws {
      try onHost {
        let old = try [ruleSet(1), ruleSet(2)], new = try [ruleSet(1, port: 81), ruleSet(2, port: 81)]
        for one in old { try backend.add(one) }
        for (one, other) in zip(old, new) { try backend.replace(one, with: other) }
        for (one, other) in zip(old, new) {
          #expect(try backend.missing(from: other).isEmpty)
          #expect(try !backend.missing(from: one).isEmpty)
        }
        #expect(try !ruleset().contains("dport 80"))
        for (one, other) in zip(old, new) { try backend.replace(other, with: one) }
        for one in old { #expect(try backend.missing(from: one).isEmpty) }
        for one in old { try remove(one, isRecorded: true) }
        #expect(try !ruleset().contains("swift_cni"))
      }
    }

    @Test(arguments: [("chain", "limit_in_"), ("chain", "limit_out_"), ("set", "limit_in_")])
    func `rules that another program deleted are missing until they are replaced`(kind: String, prefix: String) throws {
      try onHost {
        let one = try ruleSet(1)
        try backend.add(one)
        let names = try ruleset().split { " \n\t{},:".contains($0) }
        let name = try #require(
          names.first { $0.hasPrefix(prefix) && !$0.contains("links") && $0.hasSuffix("_4") == (kind == "set") })
        _ = try nft("flush", kind, "inet", "swift_cni", String(name))
        #expect(try backend.missing(from: one) == one.rules)
        try backend.replace(one, with: one)
        #expect(try backend.missing(from: one).isEmpty)
        try remove(one, isRecorded: true)
        #expect(try !ruleset().contains("swift_cni"))
      }
    }

    @Test func `policies of one link that come and go at the same time lose no rules and leave none`() throws {
      let ruleSets = try (1...8).map { try ruleSet($0, port: UInt16(80 + $0 % 2)) }
      let (before, failures, after) = try onHost {
        let before = try ruleset()
        return (before, try addAndRemoveAtOnce(ruleSets), try ruleset())
      }
      #expect(failures == [])
      #expect(after == before)
    }
  }
}
