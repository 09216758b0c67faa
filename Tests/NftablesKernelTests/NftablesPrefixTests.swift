import CNI
import NetTypes
import Nftables
import PacketFilter
import Testing

extension NftablesTests {
  /// Policies with more prefixes than one message can have.
  @Suite struct Prefixes {
    @Test(arguments: [true, false])
    func `thousands of prefixes are one set`(hasPorts: Bool) throws {
      let permissions = try (0..<2000).map { number -> Policy.Permission in
        let port = UInt16(1000 + number)
        return .init(.prefix(try prefix("fd00:\(number)::/48")), hasPorts ? [PortSpan(port...port, .tcp)] : [])
      }
      let policy = Policy(of: [try address("fd00::2")], on: [try name("br0")], ingress: permissions, egress: nil)
      let ruleSet = RuleSet(try owner("c1"), .policies, [.limit(policy)])
      let (missing, listed) = try onHost {
        let backend = NftablesBackend()
        try backend.add(ruleSet)
        let missing = try backend.missing(from: ruleSet)
        let listed = try ruleset()
        _ = try nft("-c", "-f", "-", input: listed)
        try backend.remove(ruleSet.owner.filterTag, ruleSet.role, recordedRules: ruleSet.rules)
        #expect(try !ruleset().contains("swift_cni"))
        return (missing, listed)
      }
      #expect(missing == [])
      #expect(listed.split(separator: "::/48").count == 2001)
      #expect(listed.split(separator: "\n").count { $0.contains("ip6 saddr") && !$0.contains("vmap") } == 1)
    }
  }
}
