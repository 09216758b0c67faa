import CNI
import NetTypes
import Nftables
import PacketFilter
import Testing

extension NftablesTests {
  /// A container on networks `net`, `two` and `three`, which all publish the same ports.
  @Suite struct Spares {
    private static let networks = ["net", "two", "three"]

    /// The rule set of the n-th network; the container's address there is `10.N.0.2`.
    private func ruleSet(_ number: Int, spare: Bool, _ more: [Rule] = []) throws -> RuleSet {
      let ports = try [
        port(8080, to: "10.\(number).0.2"), port(8081, on: "192.0.2.1", to: "10.\(number).0.2"),
        port(8080, to: "fd00::\(number)"), port(8081, on: "2001:db8::1", to: "fd00::\(number)"),
      ]
      let rules = ports.map { (port) -> Rule in
        var port = port
        port.isSpare = spare
        return .publish(port)
      }
      return RuleSet(try owner("c1", network: Self.networks[number - 1]), .ports, rules + more)
    }

    @Test(
      arguments: [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]], [true, false])
    func `removing one network's ports keeps the other ports, and removing all leaves nothing`(
      order: [Int], isKnown: Bool
    ) throws {
      let ruleSets = try (1...3).map { try ruleSet($0, spare: $0 > 1) }
      let (before, missing, holders, after) = try onHost {
        let backend = NftablesBackend()
        let before = try ruleset()
        for ruleSet in ruleSets { try backend.add(ruleSet) }
        var left = ruleSets
        var missing: [[Rule]] = []
        var holders: [Int] = []
        for number in order {
          let gone = ruleSets[number - 1]
          missing += try left.map { try backend.missing(from: $0) }
          holders.append(try backend.holders(of: nil).count)
          try backend.remove(gone.owner.filterTag, .ports, recordedRules: isKnown ? gone.rules : nil)
          left.removeAll { $0 == gone }
          missing.append(try backend.missing(from: gone) == gone.rules ? [] : gone.rules)
        }
        return (before, missing, holders, try ruleset())
      }
      #expect(missing == Array(repeating: [], count: 9))
      #expect(holders == [12, 8, 4])
      #expect(after == before)
    }

    @Test func `spare ports are listed with holder and owner tag`() throws {
      let first = try ruleSet(1, spare: false)
      let second = try ruleSet(2, spare: true)
      let requestedPorts = try [
        port(8080), port(8080, on: "192.0.2.7"), port(8081), port(8081, on: "192.0.2.1"), port(8081, on: "192.0.2.2"),
        port(8082), port(8080, to: "fd00::9"),
      ]
      let (each, spare, tags) = try onHost {
        let backend = NftablesBackend()
        try backend.add(first)
        try backend.add(second)
        let tags = try backend.tags(.ports, prefix: "cni:")
        try backend.remove(first.owner.filterTag, .ports, recordedRules: first.rules)
        let each = try requestedPorts.map { try backend.holders(of: [$0]).map { "\($0.port.hostText) \($0.tag)" } }
        return (each, try backend.holders(of: nil).map(\.port.isSpare), tags)
      }
      let owned = { (text: String) in ["\(text) cni:two/c1/eth0"] }
      #expect(
        each == [
          owned("8080/tcp"), owned("8080/tcp"), owned("192.0.2.1:8081/tcp"), owned("192.0.2.1:8081/tcp"), [], [],
          owned("8080/tcp"),
        ])
      #expect(spare == [true, true, true, true])
      #expect(tags == ["cni:net/c1/eth0", "cni:two/c1/eth0"])
    }

    @Test(arguments: [
      "flush chain inet swift_cni spare", "flush map inet swift_cni spares4", "flush map inet swift_cni returning6",
    ])
    func `deleted spare port rules are reported and restored once`(damage: String) throws {
      let first = try ruleSet(1, spare: false)
      let second = try ruleSet(2, spare: true)
      let (whole, missing, repaired, after, before) = try onHost {
        let backend = NftablesBackend()
        let before = try ruleset()
        try backend.add(first)
        try backend.add(second)
        let whole = try nft("list", "chain", "inet", "swift_cni", "spare")
        _ = try nft(damage)
        let missing = try backend.missing(from: second).count
        // Adds the rules again, as a repair does.
        try backend.add(second)
        let repaired = try nft("list", "chain", "inet", "swift_cni", "spare")
        for ruleSet in [first, second] {
          try backend.remove(ruleSet.owner.filterTag, .ports, recordedRules: ruleSet.rules)
        }
        return (whole, missing, repaired, try ruleset(), before)
      }
      #expect(missing > 0)
      #expect(repaired == whole)
      #expect(whole.split(separator: "\n").count { $0.contains("jump port_") } == 4)
      #expect(after == before)
    }

    @Test func `spare ports stay when the table is declared again`() throws {
      let first = try ruleSet(1, spare: true)
      let (missing, holders) = try onHost {
        let backend = NftablesBackend()
        try backend.add(first)
        _ = try nft("flush chain inet swift_cni publish")
        // Adding the rules of another owner twice declares all chains again.
        let other = try RuleSet(owner("c2"), .ports, [.publish(port(9000, to: "10.9.0.2"))])
        try backend.add(other)
        try backend.add(other)
        return (try backend.missing(from: first), try backend.holders(of: nil).count)
      }
      #expect(missing == [])
      #expect(holders == 5)
    }

    @Test func `a spare port in a user's chain is refused`() throws {
      var port = try port(8080)
      port.isSpare = true
      port.chain = "PORTS"
      let ruleSet = RuleSet(try owner("c1"), .ports, [.publish(port)])
      let (error, before, after) = try onHost {
        let backend = NftablesBackend()
        let before = try ruleset()
        return (refusal { try backend.add(ruleSet) }, before, try ruleset())
      }
      #expect(error?.errno == .EOPNOTSUPP)
      #expect(error?.description.contains("want one network, or no chain") == true)
      #expect(after == before)
    }

    @Test func `a spare port takes over when the first network is removed`() throws {
      let wildcard = try [
        routed(8080, to: "10.1.0.2"), routed(8080, to: "10.2.0.2", spare: true),
        routed(8080, to: "10.3.0.2", spare: true),
      ]
      #expect(
        try reached(wildcard, ["192.0.2.1", "192.0.2.2"], removing: [0, 1, 2]) == [
          ["10.1.0.2", "10.1.0.2"], ["10.2.0.2", "10.2.0.2"], ["10.3.0.2", "10.3.0.2"], ["", ""],
        ])
      #expect(
        try reached(wildcard, ["192.0.2.1"], removing: [1, 0, 2]) == [["10.1.0.2"], ["10.1.0.2"], ["10.3.0.2"], [""]])
    }

    @Test func `a port of one host address and a port of all addresses can be each other's spare`() throws {
      let bound = try [routed(8080, to: "10.1.0.2"), routed(8080, on: "192.0.2.1", to: "10.2.0.2", spare: true)]
      #expect(
        try reached(bound, ["192.0.2.1", "192.0.2.2"], removing: [0, 1]) == [
          ["10.1.0.2", "10.1.0.2"], ["10.2.0.2", ""], ["", ""],
        ])
      let open = try [routed(8080, on: "192.0.2.1", to: "10.1.0.2"), routed(8080, to: "10.2.0.2", spare: true)]
      #expect(
        try reached(open, ["192.0.2.1", "192.0.2.2"], removing: [0, 1]) == [
          ["10.1.0.2", "10.2.0.2"], ["10.2.0.2", "10.2.0.2"], ["", ""],
        ])
    }

    private func routed(
      _ number: UInt16, on host: String? = nil, to target: String, spare: Bool = false
    ) throws -> PublishedPort {
      var port = try port(number, on: host, to: target)
      port.masquerade?.everything = true
      port.isSpare = spare
      return port
    }

    /// The container's address that connections to each address of the host reach, with all networks and then after
    /// the removal of each.
    private func reached(
      _ ports: [PublishedPort], _ addresses: [String], removing order: [Int]
    ) throws -> [[String]] {
      let ruleSets = try zip(ports, Self.networks).map {
        RuleSet(try owner("c1", network: $1), .ports, [.publish($0)])
      }
      return try withContainer { container in
        try container.shell("ip address add 192.0.2.1/32 dev lo; ip address add 192.0.2.2/32 dev lo")
        let backend = NftablesBackend()
        for ruleSet in ruleSets { try backend.add(ruleSet) }
        var all = [try addresses.map { try container.tcp(to: $0, 8080, serving: 80) }]
        for index in order {
          try backend.remove(ruleSets[index].owner.filterTag, .ports, recordedRules: ruleSets[index].rules)
          all.append(try addresses.map { try container.tcp(to: $0, 8080, serving: 80) })
        }
        return all
      }
    }
  }
}
