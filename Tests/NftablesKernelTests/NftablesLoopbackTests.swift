import CNI
import NetTypes
import Nftables
import PacketFilter
import Testing

extension NftablesTests {
  /// Publishing on 127.0.0.1 needs `route_localnet`, which alone would let containers reach the host's loopback.
  @Suite struct Loopback {
    private func ruleSet() throws -> RuleSet { RuleSet(try owner("c1"), .ports, [.publish(try port(8080))]) }

    private func bridgesFilter(_ isFiltering: Bool) -> String {
      // Ignores an error: without br_netfilter the sysctl does not exist.
      "sysctl -qw net.bridge.bridge-nf-call-iptables=\(isFiltering ? "1" : "0 2>/dev/null || true")"
    }

    @Test(arguments: [true, false])
    func `a container cannot reach the host's loopback addresses`(isFiltering: Bool) throws {
      let (ruleSet, filtering) = (try ruleSet(), bridgesFilter(isFiltering))
      let (guarded, unguarded) = try withContainer { container in
        try container.shell(
          """
          \(filtering)
          nsenter --net="$container" ip address flush dev lo
          nsenter --net="$container" ip route add 127.0.0.0/8 via 10.1.0.1 dev eth0
          """)
        let backend = NftablesBackend()
        try backend.add(ruleSet)
        let guarded = try container.reachesLoopback()
        _ = try nft("flush chain inet swift_cni localnet")
        return (guarded, try container.reachesLoopback())
      }
      #expect(!guarded)
      #expect(unguarded)
    }

    @Test(arguments: [true, false])
    func `a published port is reachable through 127.0.0.1`(isFiltering: Bool) throws {
      let (ruleSet, filtering) = (try ruleSet(), bridgesFilter(isFiltering))
      let (reached, address) = try withContainer { container in
        try container.shell(filtering)
        let backend = NftablesBackend()
        try backend.add(ruleSet)
        return try (
          container.tcp(to: "127.0.0.1", 8080, serving: 80), container.tcp(to: "127.9.9.9", 8080, serving: 80)
        )
      }
      #expect(reached == "10.1.0.2")
      #expect(address == "10.1.0.2")
    }

    @Test func `a deleted localnet rule is reported`() throws {
      let ruleSet = try ruleSet()
      let missing = try onHost {
        let backend = NftablesBackend()
        try backend.add(ruleSet)
        _ = try nft("flush chain inet swift_cni localnet")
        return try backend.missing(from: ruleSet)
      }
      #expect(missing == ruleSet.rules)
    }
  }
}
