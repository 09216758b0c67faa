import CNI
import NetTypes
import Nftables
import PacketFilter
import Testing

extension NftablesTests {
  /// A name server on the host, which only one bridge may query.
  @Suite struct Names {
    private func ruleSet(_ container: String, _ bridge: String = "br0", at server: String = "10.1.0.1") throws
      -> RuleSet
    {
      RuleSet(try owner(container), .names, [.serve(NameService(try name(bridge), address: try address(server)))])
    }

    @Test(arguments: [true, false])
    func `the name server is open until the last container is removed`(isKnown: Bool) throws {
      let ruleSets = try [ruleSet("c1"), ruleSet("c2")]
      let (before, alone, both, one, missing, after) = try onHost {
        let backend = NftablesBackend()
        let before = try ruleset()
        try backend.add(ruleSets[1])
        let alone = try ruleset()
        try backend.add(ruleSets[0])
        let both = try ruleset()
        try backend.remove(ruleSets[0].owner.filterTag, .names, recordedRules: isKnown ? ruleSets[0].rules : nil)
        let one = try ruleset()
        let missing = try backend.missing(from: ruleSets[1])
        try backend.remove(ruleSets[1].owner.filterTag, .names, recordedRules: isKnown ? ruleSets[1].rules : nil)
        return (before, alone, both, one, missing, try ruleset())
      }
      #expect(alone != before)
      #expect(both != alone)
      #expect(one == alone)
      #expect(missing == [])
      #expect(after == before)
    }

    @Test func `a second bridge for the same name server address is refused`() throws {
      let (first, second) = try (ruleSet("c1"), ruleSet("c2", "br1"))
      let (error, between, after) = try onHost {
        let backend = NftablesBackend()
        try backend.add(first)
        let between = try ruleset()
        return (refusal { try backend.add(second) }, between, try ruleset())
      }
      #expect(error?.errno == .EEXIST)
      #expect(
        error?.description.contains("open name server 10.1.0.1: another bridge already uses this name server") == true)
      #expect(after == between)
    }

    @Test func `removing reference rules works for a container ID longer than a chain name`() throws {
      let owner = try owner(String(repeating: "a", count: 300))
      let (addresses, before, after) = try onHost {
        _ = try nft("add table bridge nat; add chain bridge nat PREROUTING")
        let before = try ruleset()
        let backend = NftablesBackend()
        return (try backend.removeReferenceRules(ReferenceRules(.attachment(owner), [.network])), before, try ruleset())
      }
      #expect(addresses == [])
      #expect(after == before)
    }

    @Test(arguments: ["delete element inet swift_cni served4 { 10.1.0.1 }", "flush chain inet swift_cni input"])
    func `deleted name server rules are reported and restored`(command: String) throws {
      let ruleSet = try ruleSet("c1")
      let (missing, back) = try onHost {
        let backend = NftablesBackend()
        try backend.add(ruleSet)
        _ = try nft(command)
        let missing = try backend.missing(from: ruleSet)
        try backend.remove(ruleSet.owner.filterTag, .names, recordedRules: nil)
        try backend.add(ruleSet)
        return (missing, try backend.missing(from: ruleSet))
      }
      #expect(missing == ruleSet.rules)
      #expect(back == [])
    }

    /// The container is on `br0`, where the host has 10.1.0.1 and 10.2.0.1.
    @Test(arguments: [true, false])
    func `only containers of the bridge reach the name server`(isUDP: Bool) throws {
      let (own, others) = try (ruleSet("c1"), ruleSet("c2", "br9", at: "10.2.0.1"))
      let (heard, unheard, loopback, elsewhere, freed) = try withContainer { container in
        let backend = NftablesBackend()
        try backend.add(own)
        try backend.add(others)
        func hears(_ address: String, _ port: Int = 53, from sender: String = "container") throws -> Bool {
          try container.hears(address, port, isUDP: isUDP, from: sender)
        }
        let found = try (
          hears("10.1.0.1"), hears("10.2.0.1"), hears("10.2.0.1", from: "host"), hears("10.2.0.1", 5353)
        )
        try backend.remove(others.owner.filterTag, .names, recordedRules: others.rules)
        return (found.0, found.1, found.2, found.3, try hears("10.2.0.1"))
      }
      #expect(heard)
      #expect(!unheard)
      #expect(loopback)
      #expect(elsewhere)
      #expect(freed)
    }
  }
}
