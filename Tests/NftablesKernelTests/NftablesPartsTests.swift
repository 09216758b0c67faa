import BaseSupport
import CNI
import Foundation
import NetTypes
import Nftables
import PacketFilter
import Testing

extension NftablesTests {
  /// Base chains, which cost every packet of the host, are there only while an element needs them.
  @Suite struct Parts {
    private static let kinds = [
      "admission", "floating address", "isolation", "link", "masquerade", "name server", "port", "published elsewhere",
      "tunnel",
    ]

    /// A rule set of that kind; the number makes it another container's.
    private func ruleSet(_ kind: String, _ number: Int = 1) throws -> RuleSet {
      let container = "10.1.0.\(number)"
      let (role, rule): (PluginRole, Rule) =
        switch kind {
        case "admission": (.firewall, .admit(Admission(try address(container))))
        case "floating address":
          (
            .ports,
            try .float(
              FloatingAddress(
                address("192.0.2.\(number)"), to: address(container), link: name("br0"), subnet: prefix("10.1.0.1/24")))
          )
        case "isolation": (.network, try .isolate(Isolation(name("br0"), reach: .network)))
        case "link":
          (
            .names,
            try .link(AllowedConnection(name("br0"), from: address(container), to: address("10.1.0.99"), .tcp, 80))
          )
        case "masquerade": (.network, try .masquerade(Masquerade(address(container), in: prefix("10.1.0.1/24"))))
        case "name server": (.names, try .serve(NameService(name("br0"), address: address("10.1.0.1"))))
        case "port":
          (.ports, .publish(try PublishedPort(.tcp, hostPort: UInt16(8000 + number), to: address(container), 80)))
        case "tunnel": (.tunnels, try .guardTunnel(TunnelGuard(port: 4789, peers: [address("192.0.2.9")])))
        default: (.ports, .publish(try port(UInt16(9000 + number), to: container)))
        }
      return RuleSet(try owner("c\(number)", network: kind.filter { $0 != " " }), role, [rule])
    }

    @Test(arguments: [
      ("admission", ["forward"]), ("floating address", ["localnet", "prerouting", "output", "postrouting"]),
      ("isolation", ["forward"]), ("link", ["forward"]), ("masquerade", ["postrouting"]), ("name server", ["input"]),
      ("port", ["localnet", "prerouting", "output"]),
      ("published elsewhere", ["localnet", "prerouting", "output", "postrouting"]),
      ("tunnel", ["vtep_input", "vtep_forward"]),
    ])
    func `ADD makes only the base chains that the rule needs`(kind: String, chains: [String]) throws {
      let ruleSet = try ruleSet(kind)
      let (present, missing) = try onHost {
        let backend = NftablesBackend()
        try backend.add(ruleSet)
        return (try baseChains(), try backend.missing(from: ruleSet))
      }
      #expect(present == chains)
      #expect(missing == [])
    }

    @Test(arguments: kinds, [true, false])
    func `DEL of a kind's last rule leaves the table as if that kind had never been there`(
      kind: String, isKnown: Bool
    ) throws {
      let first = try ruleSet(kind), second = try ruleSet(kind, 2)
      for other in Self.kinds where other != kind {
        let rest = try ruleSet(other, 3)
        let (alone, both, one, left, missing) = try onHost {
          let backend = NftablesBackend()
          try backend.add(rest)
          let alone = try ruleset()
          for ruleSet in [first, second] { try backend.add(ruleSet) }
          let both = try baseChains()
          try backend.remove(first.owner.filterTag, first.role, recordedRules: isKnown ? first.rules : nil)
          let one = try baseChains()
          try backend.remove(second.owner.filterTag, second.role, recordedRules: isKnown ? second.rules : nil)
          return (alone, both, one, try ruleset(), try backend.missing(from: rest))
        }
        #expect(left == alone, "\(other)")
        #expect(one == both, "\(other)")
        #expect(missing == [], "\(other)")
      }
    }

    @Test func `a set with an element of another program keeps its part`() throws {
      let other = try ruleSet("masquerade", 2), ruleSet = try ruleSet("port")
      let (chains, rest) = try onHost {
        let backend = NftablesBackend()
        for ruleSet in [other, ruleSet] { try backend.add(ruleSet) }
        _ = try nft("add element inet swift_cni bound4 { 192.0.2.7 . tcp . 1 : 10.1.0.9 . 1 }")
        try backend.remove(ruleSet.owner.filterTag, .ports, recordedRules: ruleSet.rules)
        return (try baseChains(), try nft("list map inet swift_cni bound4"))
      }
      #expect(chains.contains("prerouting"))
      #expect(rest.contains("192.0.2.7"))
    }

    /// The elements are gone when DEL is killed; the part, its chains or the table are left.
    @Test(arguments: kinds, [true, false])
    func `DEL after a killed DEL removes what that one left`(kind: String, isKnown: Bool) throws {
      let other = try ruleSet(kind == "port" ? "masquerade" : "port", 2), ruleSet = try ruleSet(kind)
      let (alone, left) = try onHost {
        let backend = NftablesBackend()
        try backend.add(other)
        let alone = try ruleset()
        try backend.add(ruleSet)
        try deleteElements(commented: "\(ruleSet.owner.filterTag) \(ruleSet.role)")
        try backend.remove(ruleSet.owner.filterTag, ruleSet.role, recordedRules: isKnown ? ruleSet.rules : nil)
        return (alone, try ruleset())
      }
      #expect(left == alone)
    }

    @Test func `a replaced rule set takes the parts that it no longer needs with it`() throws {
      let before = RuleSet(
        try owner("c1"), .network, try [ruleSet("masquerade").rules, ruleSet("isolation").rules].flatMap { $0 })
      let after = RuleSet(before.owner, .network, try ruleSet("admission").rules)
      let (known, unknown) = try onHost {
        let backend = NftablesBackend()
        try backend.add(before)
        try backend.replace(before, with: after)
        let known = try baseChains()
        try backend.replace(after, with: before)
        try backend.replace(nil, with: after)
        return (known, try baseChains())
      }
      #expect(known == ["forward"])
      #expect(unknown == ["forward"])
    }

    @Test func `parts that come and go while several processes work lose no rule`() throws {
      let kept = try ruleSet("link", 9)
      let ruleSets = try Self.kinds.filter { $0 != "link" }.flatMap { kind in try (1...2).map { try ruleSet(kind, $0) }
      }
      let (alone, failures, after) = try onHost {
        try NftablesBackend().add(kept)
        let alone = try ruleset()
        return (alone, try addAndRemoveAtOnce(ruleSets), try ruleset())
      }
      #expect(failures == [])
      #expect(after == alone)
    }
  }

  /// Tables in which earlier versions made all chains and sets at once.
  @Suite struct EarlierTables {
    @Test func `rules of every kind are added to a table of an earlier version and removed`() throws {
      let ruleSet = RuleSet(try owner("c1"), .network, try everyKind(.network))
      let (missing, chains, before, after) = try onHost {
        let backend = NftablesBackend()
        let before = try ruleset()
        try declareEarlierTable()
        try backend.add(ruleSet)
        let missing = try backend.missing(from: ruleSet)
        let chains = try baseChains()
        try backend.remove(ruleSet.owner.filterTag, .network, recordedRules: ruleSet.rules)
        return (missing, chains, before, try ruleset())
      }
      #expect(missing == [])
      #expect(chains.count == 8)
      #expect(after == before)
    }

    /// An earlier version finds a set missing, declares everything again, and removes only the whole table.
    @Test func `rules stay when an earlier version declares all chains, and DEL removes unneeded ones`() throws {
      let masquerade = RuleSet(
        try owner("c1"), .network, [try .masquerade(Masquerade(address("10.1.0.2"), in: prefix("10.1.0.1/24")))])
      let published = RuleSet(try owner("c2"), .ports, [.publish(try port(8080, to: "10.1.0.3"))])
      let (missing, chains, before, after) = try onHost {
        let backend = NftablesBackend()
        let before = try ruleset()
        try backend.add(masquerade)
        try declareEarlierTable()
        try backend.add(published)
        let missing = try backend.missing(from: masquerade) + backend.missing(from: published)
        try backend.remove(published.owner.filterTag, .ports, recordedRules: published.rules)
        let chains = try baseChains()
        try backend.remove(masquerade.owner.filterTag, .network, recordedRules: masquerade.rules)
        return (missing, chains, before, try ruleset())
      }
      #expect(missing == [])
      #expect(chains == ["postrouting", "input", "forward", "vtep_input", "vtep_forward"])
      #expect(after == before)
    }
  }
}

/// The base chains of our table, in their order.
private func baseChains() throws -> [String] {
  var chains: [String] = []
  var last = ""
  for line in try nft("list table inet swift_cni").split(separator: "\n") {
    let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
    if words.first == "chain" { last = words[1] }
    if words.contains("hook") { chains.append(last) }
  }
  return chains
}

/// Deletes the owner's elements, as the first transaction of DEL does.
private func deleteElements(commented comment: String) throws {
  let json = try JSONSerialization.jsonObject(with: Data(nft("-j", "list", "table", "inet", "swift_cni").utf8))
  let objects = try #require((json as? [String: Any])?["nftables"] as? [[String: Any]])
  var commands: [String] = []
  for object in objects {
    guard let set = (object["map"] ?? object["set"]) as? [String: Any], let name = set["name"] as? String else {
      continue
    }
    for element in set["elem"] as? [Any] ?? [] {
      let key = (element as? [Any])?.first ?? element
      guard let whole = (key as? [String: Any])?["elem"] as? [String: Any], whole["comment"] as? String == comment
      else { continue }
      let fields = (whole["val"] as? [String: Any])?["concat"] as? [Any] ?? [whole["val"] ?? ""]
      let quote = set["type"] as? String == "ifname" ? "\"" : ""
      let text = fields.map { "\(quote)\($0)\(quote)" }.joined(separator: " . ")
      commands.append("delete element inet swift_cni \(name) { \(text) }")
    }
  }
  _ = try nft("-f", "-", input: commands.joined(separator: "\n"))
}

/// What an earlier version sends with its first rule, and again if a set is missing.
func declareEarlierTable() throws {
  let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/earlier-layout.nft")
  _ = try nft("-f", file.path(percentEncoded: false))
}
