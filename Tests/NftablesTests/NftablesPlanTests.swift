import CNI
import NetTypes
import PacketFilter
import Testing
@testable import Nftables

@Suite struct WantedTests {
  private let owner = ElementOwner("cni:net/c1/eth0", .network)

  private func wanted(_ rule: Rule) throws -> NftablesPlan { try NftablesPlan(rule, owner) }

  private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
  private func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
  private func bridge() throws -> InterfaceName { try #require(InterfaceName(["br", "0"].joined())) }

  @Test func `masquerade is a map element that jumps to the subnet's chain`() throws {
    let wanted = try wanted(.masquerade(Masquerade(address("10.1.0.2"), in: prefix("10.1.0.1/24"), isRandom: true)))
    let chain = try #require(wanted.chains.first)
    #expect(
      wanted.elements.map { RulesetChange.createElement($0).text } == [
        "create element inet swift_cni masquerade4 "
          + "{ 10.1.0.2 comment \"cni:net/c1/eth0 network\" : jump \(chain.name) }"
      ])
    #expect(
      chain.rules.map(\.text) == [
        "ip daddr 10.1.0.0/24 return", "ip daddr 224.0.0.0/4 return", "masquerade fully-random",
      ])
    #expect(chain.idleUses == 3)
  }

  @Test func `masquerade rules of one subnet share a chain, other options get another chain`() throws {
    func name(_ own: String, _ isRandom: Bool) throws -> String? {
      try wanted(.masquerade(Masquerade(address(own), in: prefix(own + "/24"), isRandom: isRandom))).chains.first?.name
    }
    #expect(try name("10.1.0.2", false) == name("10.1.0.3", false))
    #expect(try name("10.1.0.2", false) != name("10.1.0.2", true))
    #expect(try name("10.1.0.2", false) != name("10.2.0.2", false))
  }

  @Test(arguments: [
    (
      Isolation.Reach.network,
      ["iifname \"br0\" return", "ct state established,related return", "ct status dnat return", "drop"]
    ),
    (.closed, ["iifname \"br0\" return", "drop"]),
    (
      .outside,
      [
        "iifname \"br0\" return", "ct state established,related return", "ct status dnat return",
        "iifname @isolated_network drop", "iifname @isolated_firewall drop",
      ]
    ),
  ])
  func `each isolation mode has its rules in the bridge's chain`(reach: Isolation.Reach, rules: [String]) throws {
    let wanted = try wanted(.isolate(Isolation(bridge(), reach: reach)))
    let chain = try #require(wanted.chains.first)
    #expect(chain.rules.map(\.text) == rules)
    #expect(chain.companions.first?.rules.first?.text == "oifname \"br0\" return")
    #expect(chain.entryElements.map(\.set.name) == ["entering_network", "leaving_network", "isolated_network"])
    #expect(wanted.elements.map(\.value) == [.jump(chain.name)])
  }

  @Test func `isolation rules contain the partner wherever they contain the bridge`() throws {
    let partner = try #require(InterfaceName(["vx", "0"].joined()))
    let links = [try bridge(), partner]
    let rule = Isolation(links[0], partner: partner, reach: .network, separatesContainers: true)
    let chain = try #require(wanted(.isolate(rule)).chains.first)
    #expect(chain.rules[0].text == "iifname { \"br0\", \"vx0\" } ct state established,related return")
    #expect(
      chain.rules.map(\.text).filter { $0.hasPrefix("iifname") }.allSatisfy {
        $0.hasPrefix("iifname { \"br0\", \"vx0\" } ")
      })
    #expect(chain.companions.first?.rules.first?.text == "oifname { \"br0\", \"vx0\" } return")
    let sets = ["entering_network", "leaving_network", "isolated_network"]
    #expect(chain.entryElements.map(\.set.name) == sets + sets)
    #expect(chain.entryElements.map(\.key) == links.flatMap { link in sets.map { _ in [.interface(link)] } })
    #expect(chain.idleUses == chain.rules.count + 2)
  }

  @Test(arguments: [
    (
      Isolation.Reach.network, ["ip saddr 10.5.0.0/16 return", "ip6 saddr fd00::/48 return", "drop"],
      ["iifgroup 6516329 drop", "oifname @isolated_firewall drop"]
    ),
    (
      .closed, ["ip saddr 10.5.0.0/16 return", "ip6 saddr fd00::/48 return", "drop"],
      ["iifgroup 6516329 drop", "drop"]
    ),
  ])
  func `direct subnets are accepted after the drop rules for other networks`(
    reach: Isolation.Reach, last: [String], order: [String]
  ) throws {
    let direct = try [prefix("10.5.1.0/16"), prefix("fd00::/48")]
    let chain = try #require(wanted(.isolate(Isolation(bridge(), directPrefixes: direct, reach: reach))).chains.first)
    #expect(chain.rules.suffix(3).map(\.text) == last)
    let group = try #require(chain.rules.map(\.text).firstIndex(of: order[0]))
    #expect(group < chain.rules.count - 3)
    #expect(chain.companions.first?.rules.last?.text == order[1])
  }

  @Test func `a published port is one map element for DNAT and one for the return path`() throws {
    let path = try ReturnPath(subnet: prefix("fd00::1/64"), link: bridge())
    let port = try PublishedPort(
      .udp, hostIP: address("2001:db8::1"), hostPort: 53, to: address("fd00::2"), 5353, masquerade: path)
    let wanted = try wanted(.publish(port))
    let chain = try #require(wanted.chains.first)
    #expect(
      wanted.elements.map { RulesetChange.createElement($0).text } == [
        "create element inet swift_cni bound6 "
          + "{ 2001:db8::1 . 17 . 53 comment \"cni:net/c1/eth0 network\" : fd00::2 . 5353 }",
        "create element inet swift_cni returning6 "
          + "{ fd00::2 comment \"cni:net/c1/eth0 network\" : jump \(chain.name) }",
      ])
    #expect(chain.rules.map(\.text) == ["ip6 saddr ::1 masquerade", "ip6 saddr fd00::/64 masquerade"])
  }

  @Test func `a name server is a map element that jumps to a chain for its bridge only`() throws {
    let wanted = try wanted(.serve(NameService(bridge(), address: address("10.1.0.1"))))
    let chain = try #require(wanted.chains.first)
    #expect(
      chain.rules.map(\.text) == [
        "meta l4proto != { 6, 17 } return", "th dport != 53 return", "iifname \"br0\" accept", "iifname != \"lo\" drop",
      ])
    #expect(
      chain.entryElements.map { RulesetChange.createElement($0).text } == [
        "create element inet swift_cni served4 { 10.1.0.1 comment \"\(chain.name)\" : jump \(chain.name) }"
      ])
    #expect(wanted.elements.map(\.value) == [.jump(chain.name)])
    #expect(chain.idleUses == 5)
  }

  @Test func `a port with conditions has a chain`() throws {
    var port = try PublishedPort(.tcp, hostPort: 80, to: address("10.1.0.2"), 8080)
    port.conditions = ["ip", "saddr", "10.0.0.0/8"]
    port.excludedDevices = [try bridge()]
    let wanted = try wanted(.publish(port))
    #expect(
      wanted.chains.map { $0.rules.map(\.text) } == [
        [
          "iifname \"br0\" return",
          "ip saddr 10.0.0.0/8 meta l4proto tcp dnat ip to 10.1.0.2:8080 comment \"cni:net/c1/eth0 network\"",
        ]
      ])
    #expect(wanted.elements.map(\.set.name) == ["special4"])
    #expect(wanted.elements.first.flatMap(PortHolder.init)?.port.description == "host port 80/tcp to 10.1.0.2:8080")
  }

  @Test(arguments: [
    (nil, "10.1.0.2", "meta nfproto ipv4 meta l4proto tcp th dport 80"),
    ("192.0.2.1", "10.1.0.2", "ip daddr 192.0.2.1 meta l4proto tcp th dport 80"),
    (nil, "fd00::2", "meta nfproto ipv6 meta l4proto tcp th dport 80"),
    ("2001:db8::1", "fd00::2", "ip6 daddr 2001:db8::1 meta l4proto tcp th dport 80"),
  ])
  func `a spare port is a rule after the map lookups that jumps to a DNAT chain`(
    host: String?, target: String, matches: String
  ) throws {
    var port = try PublishedPort(.tcp, hostIP: host.map(address), hostPort: 80, to: address(target), 8080)
    port.isSpare = true
    let wanted = try wanted(.publish(port))
    let chain = try #require(wanted.chains.first)
    #expect(
      wanted.spares.map(\.creation.text) == [
        "add rule inet swift_cni spare \(matches) jump \(chain.name) comment \"\(chain.name)\""
      ])
    #expect(wanted.elements.map(\.value) == [.jump(chain.name)])
    #expect(wanted.elements.compactMap(PortHolder.init) == [PortHolder(port, tag: owner.tag)])
  }

  @Test func `a set key is parsed from its bytes`() throws {
    let fields = try [
      Field.address(address("fd00::2")), .address(address("fd00::3")), .transport(.sctp), .port(0x1234),
    ]
    #expect([Field](FamilySets(.v6).links.key, bytes: fields.bytes) == fields)
    #expect(fields.bytes.count == 40)
    #expect([Field]([.interface], bytes: [Field.interface(try bridge())].bytes) == [.interface(try bridge())])
    #expect([Field]([.v4], bytes: [10, 1]) == nil)
  }

  @Test func `set names are unique and have at most 31 bytes`() {
    let names = Layout.sets.map { "\($0.table) \($0.name)" }
    #expect(Set(names).count == names.count)
    #expect(Layout.sets.allSatisfy { $0.name.utf8.count <= 31 })
  }
}
