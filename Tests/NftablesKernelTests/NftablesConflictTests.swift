import CNI
import NetTypes
import Nftables
import PacketFilter
import Testing

// Group: kernel

extension NftablesTests {
  @Suite struct Conflicts {
    /// The error of adding a rule set after another one, and the ruleset before and after that.
    private func conflict(
      of second: RuleSet, after first: RuleSet
    ) throws -> (error: KernelError?, before: String, after: String) {
      try onHost {
        let backend = NftablesBackend()
        try backend.add(first)
        let before = try ruleset()
        return (refusal { try backend.add(second) }, before, try ruleset())
      }
    }

    @Test func `a port that is already published is refused with its owner`() throws {
      let first = RuleSet(try owner("c1"), .ports, [.publish(try port(8080))])
      let second = RuleSet(
        try owner("c2"), .ports, [.publish(try port(8079, to: "10.1.0.3")), .publish(try port(8080, to: "10.1.0.3"))])
      let (error, before, after) = try conflict(of: second, after: first)
      #expect(error?.errno == .EEXIST)
      #expect(error?.description == "publish 6 . 8080: it is published already by cni:net/c1/eth0")
      #expect(after == before)
    }

    @Test func `a second isolation of a bridge in another mode is refused`() throws {
      let first = RuleSet(try owner("c1"), .network, [try .isolate(Isolation(name("br0"), reach: .network))])
      let second = RuleSet(try owner("c2"), .network, [try .isolate(Isolation(name("br0"), reach: .closed))])
      let (error, before, after) = try conflict(of: second, after: first)
      #expect(error?.errno == .EEXIST)
      #expect(error?.description.contains("already isolates it differently") == true)
      #expect(after == before)
    }

    @Test func `an address can be added for a new container before DEL of the old one`() throws {
      let rules = [try Rule.masquerade(Masquerade(address("10.1.0.2"), in: prefix("10.1.0.1/24")))]
      let gone = RuleSet(try owner("c1"), .network, rules)
      let new = RuleSet(try owner("c2"), .network, rules)
      let (missing, after, before) = try onHost {
        let backend = NftablesBackend()
        let before = try ruleset()
        try backend.add(gone)
        try backend.add(new)
        try backend.remove(gone.owner.filterTag, .network, recordedRules: rules)
        let missing = try backend.missing(from: new)
        try backend.remove(new.owner.filterTag, .network, recordedRules: rules)
        return (missing, try ruleset(), before)
      }
      #expect(missing == [])
      #expect(after == before)
    }

    @Test func `DEL keeps a port that another container published after the ruleset was flushed`() throws {
      let rules = [Rule.publish(try port(8080))]
      let (missing, tags) = try onHost {
        let backend = NftablesBackend()
        try backend.add(RuleSet(owner("c1"), .ports, rules))
        _ = try nft("flush", "ruleset")
        let new = try RuleSet(owner("c2"), .ports, rules)
        try backend.add(new)
        try backend.remove(owner("c1").filterTag, .ports, recordedRules: rules)
        return (try backend.missing(from: new), try backend.tags(.ports, prefix: ""))
      }
      #expect(missing == [])
      #expect(tags == ["cni:net/c2/eth0"])
    }

    @Test func `holders lists exactly the conflicting ports`() throws {
      var special = try port(8082)
      special.conditions = ["ip", "saddr", "192.0.2.0/24"]
      var chained = try port(8083, on: "192.0.2.9")
      chained.chain = "PORTS"
      let ports = [
        try port(8080), try port(8081, on: "192.0.2.1"), try port(8080, to: "fd00::2"), special, chained,
      ]
      let ruleSet = RuleSet(try owner("c1"), .ports, ports.map(Rule.publish))
      let requestedPorts = try [
        port(8080), port(8080, on: "192.0.2.8"), port(8081), port(8081, on: "192.0.2.1"), port(8081, on: "192.0.2.2"),
        port(8082), port(8083), port(8083, on: "192.0.2.9"), port(8084), port(8080, to: "fd00::9"),
      ]
      let (each, all, none) = try onHost {
        let backend = NftablesBackend()
        let none = try backend.holders(of: nil)
        try backend.add(ruleSet)
        let each = try requestedPorts.map { try backend.holders(of: [$0]).map(\.port.hostText) }
        return (each, try backend.holders(of: nil), none)
      }
      #expect(none == [])
      #expect(
        each == [
          ["8080/tcp"], ["8080/tcp"], ["192.0.2.1:8081/tcp"], ["192.0.2.1:8081/tcp"], [], ["8082/tcp"],
          ["192.0.2.9:8083/tcp"], ["192.0.2.9:8083/tcp"], [], ["8080/tcp"],
        ])
      #expect(Set(all.map { "\($0.port) \($0.tag)" }) == Set(ports.map { "\($0) cni:net/c1/eth0" }))
    }

    @Test func `5000 other published ports do not disturb ADD and DEL`() throws {
      let ruleSet = RuleSet(try owner("c1"), .ports, [.publish(try port(8080, to: "10.9.0.2"))])
      let bulk = (0..<5000).map { number in
        "6 . \(10000 + number) comment \"cni:net/x\(number)/eth0 ports\" : 10.1.\(number / 250).\(number % 250) . 80"
      }
      let (before, after, missing, holders) = try onHost {
        let backend = NftablesBackend()
        try backend.add(RuleSet(owner("c0"), .ports, [.publish(port(8079, to: "10.9.0.3"))]))
        _ = try nft("-f", "-", input: "add element inet swift_cni ports4 { \(bulk.joined(separator: ",\n")) }")
        let before = try ruleset().split(separator: "\n").count
        try backend.add(ruleSet)
        let missing = try backend.missing(from: ruleSet)
        let holders = try backend.holders(of: [port(12345)]).map(\.tag)
        try backend.remove(ruleSet.owner.filterTag, .ports, recordedRules: ruleSet.rules)
        return (before, try ruleset().split(separator: "\n").count, missing, holders)
      }
      #expect(missing == [])
      #expect(holders == ["cni:net/x2345/eth0"])
      #expect(after == before)
    }

    @Test(arguments: [
      "ip saddr 1.2.3.4; flush ruleset", "ip saddr 1.2.3.4\nflush ruleset", "accept", "ip saddr { 1.2.3.4",
      "} ; add rule", "iifname \"x\"", "ip saddr 1.2.3.4 # ", "ip saddr \\", "jump publish", "ip saddr $x",
      "ip saddr @own", "meta mark set 1", "comment x", "",
    ])
    func `a condition that is not only a match is refused and changes nothing`(condition: String) throws {
      var port = try port(8080)
      port.conditions = [condition]
      let ruleSet = RuleSet(try owner("c1"), .ports, [.publish(port)])
      let (error, before, after) = try onHost {
        let backend = NftablesBackend()
        let before = try ruleset()
        return (refusal { try backend.add(ruleSet) }, before, try ruleset())
      }
      #expect(error?.errno == .EINVAL)
      #expect(error?.description.contains("want words of nft matches") == true)
      #expect(after == before)
    }

    @Test(arguments: ["a\"", "a*", "a\\", "a;b", "a{b", "a#b", "$a", "a'b", "ä"])
    func `an interface name with special characters is quoted or refused`(text: String) throws {
      let bridge = try name(text)
      let isRefused = text.contains { "\"*\\".contains($0) }
      let ruleSet = RuleSet(try owner("c1"), .network, [.isolate(Isolation(bridge, reach: .network))])
      let (error, before, after, missing) = try onHost {
        let backend = NftablesBackend()
        let before = try ruleset()
        let error = refusal { try backend.add(ruleSet) }
        let missing = isRefused ? [] : try backend.missing(from: ruleSet)
        try backend.remove(ruleSet.owner.filterTag, .network, recordedRules: ruleSet.rules)
        return (error, before, try ruleset(), missing)
      }
      #expect(error?.errno == (isRefused ? .EINVAL : nil))
      #expect(missing == [])
      #expect(after == before)
    }

    @Test func `options that only iptables supports are refused`() throws {
      var marked = try port(8080)
      marked.masquerade?.marking = .chain("MARK")
      let rules: [Rule] = [.publish(marked), .admit(Admission(try address("10.1.0.2"), adminChain: "ADMIN"))]
      let errors = try rules.map { rule in
        try onHost {
          let backend = NftablesBackend()
          return refusal { try backend.add(RuleSet(owner("c1"), .ports, [rule])) }?.errno
        }
      }
      #expect(errors == [.EOPNOTSUPP, .EOPNOTSUPP])
    }

    @Test func `probe succeeds and leaves no table`() throws {
      let (error, after) = try onHost {
        let backend = NftablesBackend()
        return (refusal { try backend.probe() }, try ruleset().contains("swift_cni"))
      }
      #expect(error == nil)
      #expect(!after)
    }
  }
}
