import CNI
import Foundation
import NetTypes
import Nftables
import PacketFilter
import Testing

extension NftablesTests {
  /// Rules for tunnels, which change when hosts of a network come or go.
  @Suite struct Tunnels {
    private func ruleSet(_ peers: [String]?, network: String = "net", port: UInt16 = 4789) throws -> RuleSet {
      let addresses = try peers?.map { try address($0) }
      return RuleSet(
        try owner("host", network: network), .tunnels,
        [.guardTunnel(TunnelGuard(port: port, peers: addresses))])
    }

    private func hosts(_ numbers: ClosedRange<Int>) -> [String] {
      numbers.map { $0 % 2 == 0 ? "192.0.2.\($0)" : "2001:db8::\($0)" }
    }

    /// Peers before, whether their rule set is recorded, and peers afterwards.
    @Test(
      arguments: [
        ([1, 3], true, [2, 9]), ([1, 3], false, [2, 9]), ([1, 200], true, [5, 199]), ([1, 2], true, [1, 1]),
        ([1, 1], false, [1, 1]),
      ] as [([Int], Bool, [Int])], ["", "flush chain inet swift_cni vtep_4789", "delete table inet swift_cni"])
    func `replacing rules leaves the same ruleset as adding the new ones alone`(
      change: (before: [Int], isKnown: Bool, after: [Int]), command: String
    ) throws {
      let old = try ruleSet(hosts(change.before[0]...change.before[1]))
      let new = try ruleSet(hosts(change.after[0]...change.after[1]))
      let other = try ruleSet(hosts(3...4), network: "net2")
      let (fresh, replaced, missing, before, after) = try onHost {
        let backend = NftablesBackend()
        let before = try ruleset()
        for ruleSet in [other, new] { try backend.add(ruleSet) }
        let fresh = try ruleset()
        try backend.remove(new.owner.filterTag, .tunnels, recordedRules: new.rules)
        try backend.add(old)
        if !command.isEmpty { _ = try nft("-f", "-", input: command) }
        try backend.replace(change.isKnown ? old : nil, with: new)
        let missing = try backend.missing(from: new)
        try backend.replace(backend.missing(from: other).isEmpty ? other : nil, with: other)
        let replaced = try ruleset()
        for ruleSet in [new, other] {
          try backend.remove(ruleSet.owner.filterTag, .tunnels, recordedRules: ruleSet.rules)
        }
        return (fresh, replaced, missing, before, try ruleset())
      }
      #expect(missing == [])
      #expect(sorted(replaced) == sorted(fresh))
      #expect(after == before)
    }

    /// Hosts that leave, and hosts that come.
    @Test(arguments: [([2, 3], [7, 9]), ([2, 2], [8, 8]), ([3, 90], [91, 150])])
    func `changing the difference of two lists leaves the same ruleset as adding the new one alone`(
      old: [Int], new: [Int]
    ) throws {
      let kept = hosts(200...250), leaving = hosts(old[0]...old[1]), coming = hosts(new[0]...new[1])
      let before = try ruleSet(kept + leaving), after = try ruleSet(kept + coming)
      let other = try ruleSet(leaving + hosts(201...201), network: "net2")
      let (fresh, changed, error, unchanged) = try onHost {
        let backend = NftablesBackend()
        for ruleSet in [other, after] { try backend.add(ruleSet) }
        let fresh = try ruleset()
        try backend.remove(after.owner.filterTag, .tunnels, recordedRules: after.rules)
        try backend.add(before)
        try backend.change(ruleSet(leaving), to: ruleSet(coming))
        let changed = try ruleset()
        // The hosts that left are not there a second time: nothing is changed.
        let error = #expect(throws: KernelError.self) { try backend.change(ruleSet(leaving), to: ruleSet([])) }
        return (fresh, changed, error, try ruleset())
      }
      #expect(sorted(changed) == sorted(fresh))
      #expect(error?.errno == .ENOENT)
      #expect(unchanged == changed)
    }

    /// Elements and chains have no order.
    private func sorted(_ text: String) -> [String] {
      text.split { $0.isNewline || $0 == "," }.map { line in
        line.replacing("elements = {", with: "").replacing("}", with: "").filter { !$0.isWhitespace }
      }.sorted()
    }

    @Test(arguments: [
      "flush map inet swift_cni tunnel_owners", "delete element inet swift_cni tunnel_hosts4 { 192.0.2.200 . 4789 }",
      "flush map inet swift_cni tunnels", "flush chain inet swift_cni vtep_input",
      "flush chain inet swift_cni vtep_forward", "flush chain inet swift_cni vtep_hosts4",
      "flush chain inet swift_cni vtep_4789",
    ])
    func `a missing part of the rules for many hosts is noticed and restored`(command: String) throws {
      let ruleSet = try ruleSet(hosts(1...200))
      let (before, missing, missingAfterwards) = try onHost {
        let backend = NftablesBackend()
        try backend.add(ruleSet)
        let before = try backend.missing(from: ruleSet)
        _ = try nft("-f", "-", input: command)
        let missing = try backend.missing(from: ruleSet)
        try backend.replace(ruleSet, with: ruleSet)
        return (before, missing, try backend.missing(from: ruleSet))
      }
      #expect(before == [])
      #expect(missing == ruleSet.rules)
      #expect(missingAfterwards == [])
    }

    @Test func `a table without chains for tunnels passes CHECK and gets them with the first network`() throws {
      let masquerade = RuleSet(
        try owner("c1"), .network, [try .masquerade(Masquerade(address("10.1.0.2"), in: prefix("10.1.0.1/24")))])
      let tunnel = try ruleSet(hosts(1...2))
      let (missing, tunnelMissing, both) = try onHost {
        let backend = NftablesBackend()
        try backend.add(masquerade)
        let missing = try backend.missing(from: masquerade)
        let tunnelMissing = try backend.missing(from: tunnel)
        try backend.replace(nil, with: tunnel)
        return (missing, tunnelMissing, try backend.missing(from: tunnel) + backend.missing(from: masquerade))
      }
      #expect(missing == [])
      #expect(tunnelMissing == tunnel.rules)
      #expect(both == [])
    }
  }
}
