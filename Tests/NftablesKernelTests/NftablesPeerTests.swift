import CNI
import NetTypes
import Nftables
import PacketFilter
import TestSupport
import Testing

extension NftablesTests {
  /// The sets of policies' peers, as far as others than containers' rules fill them.
  @Suite struct Peers {
    private static let web = Label(key: "tier", value: "web")

    /// Adds a policy that names a network and a label, and a container with that label.
    private func use(_ body: @escaping @Sendable (NftablesBackend) throws -> Void) throws {
      try onHost {
        let backend = NftablesBackend()
        let policy = try Policy(
          of: [address("10.1.0.2")], on: [name("br0")],
          ingress: [.init(.network("front")), .init(.label(Self.web))], egress: nil)
        let member = try Membership(of: [address("10.1.0.2")], on: [name("br0")], [Self.web])
        try backend.add(RuleSet(.example, .policies, [.limit(policy), .join(member)], backend: .nftables))
        try body(backend)
      }
    }

    private func listed(_ kind: String) throws -> [String] {
      try nft("list", "sets", "inet").split(separator: "set ").filter { $0.hasPrefix(kind) }
        .flatMap { $0.split(whereSeparator: { " \n\t{},".contains($0) }).map(String.init) }
    }

    private func prefixes(_ texts: String...) throws -> PeerContents {
      try PeerContents(of: .network("front"), links: [name("br1")], prefixes: texts.map { try prefix($0) })
    }

    @Test func `prefixes of a network replace each other, whether they touch, contain each other or end last`() throws {
      try use { backend in
        let first = try prefixes("10.5.0.0/16", "10.6.0.0/16", "10.5.1.0/24", "fd05::/32", "255.0.0.0/8")
        #expect(try backend.lacks(first))
        try backend.fill(first)
        #expect(try !backend.lacks(first))
        let all = try listed("network_")
        for text in ["10.5.0.0/16", "10.6.0.0/16", "fd05::/32", "255.0.0.0/8", "\"br1\""] {
          #expect(all.contains(text), "\(text) in \(all)")
        }
        let second = try prefixes("10.5.0.0/17", "fd05::/32")
        #expect(try backend.lacks(second))
        try backend.fill(second)
        #expect(try !backend.lacks(second))
        #expect(try listed("network_").filter { $0.hasPrefix("10.") || $0.hasPrefix("255") } == ["10.5.0.0/17"])
        try backend.fill(prefixes())
        #expect(try listed("network_").filter { $0.contains("/") } == [])
      }
    }

    @Test func `containers on other hosts come and go, those of this host stay`() throws {
      try use { backend in
        let contents = { (addresses: [String]) in
          try PeerContents(
            of: .label(Self.web),
            members: addresses.map { PeerContents.Member(try address($0), behind: try name("vx0")) })
        }
        try backend.fill(contents(["10.5.0.9", "fd05::9"]))
        #expect(try !backend.lacks(contents(["10.5.0.9", "fd05::9"])))
        #expect(try listed("label_").filter { $0 == "10.5.0.9" || $0 == "fd05::9" }.count == 4)
        try backend.fill(contents(["10.5.0.8"]))
        let all = try listed("label_")
        #expect(all.contains("10.5.0.8") && !all.contains("10.5.0.9") && all.contains("10.1.0.2"))
      }
    }

    @Test func `a chain of an earlier version, which has fewer sets, gets the others and is removed`() throws {
      try use { backend in
        for set in try listed("").filter({ $0.contains("_far") }) {
          _ = try nft("delete", "set", "inet", "swift_cni", set)
        }
        try backend.fill(prefixes("10.5.0.0/16"))
        #expect(try listed("network_").contains("10.5.0.0/16"))
        // Another owner keeps the table.
        let other = try RuleSet(
          owner("other"), .network, [.masquerade(Masquerade(address("10.1.0.2"), in: prefix("10.1.0.1/24")))],
          backend: .nftables)
        try backend.add(other)
        try backend.remove(AttachmentID.example.filterTag, .policies, recordedRules: nil)
        let left = try ruleset()
        #expect(left.contains("masq_") && !left.contains("label_") && !left.contains("network_"))
      }
    }

    @Test func `a peer that no policy names has no sets`() throws {
      try use { backend in
        let other = try PeerContents(of: .network("other"), links: [name("br2")], prefixes: [prefix("10.7.0.0/16")])
        try backend.fill(other)
        #expect(try !backend.lacks(other))
        #expect(try !backend.isNamed("other") && backend.isNamed("front"))
        #expect(try !ruleset().contains("10.7.0.0"))
        try backend.remove(AttachmentID.example.filterTag, .policies, recordedRules: nil)
        #expect(try !ruleset().contains("swift_cni"))
      }
    }
  }
}
