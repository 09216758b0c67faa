import CNI
import NetTypes
import PacketFilter
import TestSupport
import Testing

@Suite struct RuleTests {
  static let owner = AttachmentID(network: "net", container: "c1", interface: "eth0")

  static var everything: RuleSet {
    var conditional = PublishedPort(.udp, hostIP: "192.0.2.1", hostPort: 53, to: "10.1.0.2", 5353)
    conditional.conditions = ["-s", "10.0.0.0/8"]
    conditional.excludedDevices = ["br0", "eth1"]
    conditional.chain = "UCR"
    let path = ReturnPath(subnet: "fd00::/64", link: "cni0", everything: true, marking: .bit(13))
    let marked = ReturnPath(subnet: "10.1.0.0/24", link: "cni0", marking: .chain("KUBE-MARK-MASQ"))
    var ruleSet = RuleSet(
      owner, .ports,
      [
        .masquerade(Masquerade("10.1.0.2", in: "10.1.0.0/24", isRandom: true)),
        .isolate(Isolation("cni0", reach: .outside, separatesContainers: true)),
        .isolate(
          Isolation("ov-net", partner: "vx-net", directPrefixes: ["10.5.0.0/16", "fd00::/48"], reach: .network)),
        .link(AllowedConnection("cni0", from: "10.1.0.2", to: "10.1.0.3", .tcp, 80)),
        .guardSource(SourceGuard("veth1", mac: "02:00:00:00:00:01")),
        .guardAddresses(AddressGuard("veth1", ["10.1.0.2", "fd00::2"])),
        .guardTunnel(TunnelGuard(port: 4789, peers: ["172.30.0.2", "fd30::2"])),
        .guardTunnel(TunnelGuard(port: 8472, peers: nil)),
        .publish(conditional),
        .publish(PublishedPort(.tcp, hostPort: 80, to: "fd00::2", 8080, masquerade: path)),
        .publish(PublishedPort(.sctp, hostPort: 9, to: "10.1.0.2", 9, masquerade: marked)),
        .float(FloatingAddress("192.0.2.9", to: "10.1.0.2", link: "cni0", subnet: "10.1.0.0/24")),
        .admit(Admission("10.1.0.2", adminChain: "CNI-ADMIN")),
        .admit(Admission("10.1.0.2", network: Admission.Network("br0", "10.1.0.0/24"))),
        .pass(Passage("10.1.0.0/24", .published)),
        .pass(Passage("fd00::/64", .outbound, link: "br0", adminChain: "OPS")),
        .serve(NameService("cni0", address: "fd00::1")),
        .trust(ZoneSource("10.1.0.2")),
        .trust(ZoneSource("fd00::2", in: "docker/net")),
      ], backend: .iptables)
    ruleSet.containerName = "web"
    ruleSet.addresses = ["10.1.0.2", "fd00::2"]
    return ruleSet
  }

  @Test func `a rule set is read back as written`() throws {
    #expect(try CNIJSON.decode(RuleSet.self, from: Self.everything.json.bytes) == Self.everything)
    let plain = RuleSet(Self.owner, .network, [])
    #expect(try CNIJSON.decode(RuleSet.self, from: plain.json.bytes) == plain)
  }

  @Test func `the file of a rule set has every member that is set and no other`() throws {
    let text = """
      {"addresses":["10.1.0.2","fd00::2"],"backend":"iptables","container":"c1","interface":"eth0","name":"web",
      "network":"net","part":"ports","rules":[
      {"masquerade":{"address":"10.1.0.2","random":true,"subnet":"10.1.0.0/24"}},
      {"isolate":{"bridge":"cni0","reach":"outside","separates":true}},
      {"isolate":{"bridge":"ov-net","direct":["10.5.0.0/16","fd00::/48"],"partner":"vx-net","reach":"network",
      "separates":false}},
      {"link":{"bridge":"cni0","from":"10.1.0.2","port":80,"protocol":"tcp","to":"10.1.0.3"}},
      {"guard":{"mac":"02:00:00:00:00:01","port":"veth1"}},
      {"guardAddresses":{"addresses":["10.1.0.2","fd00::2"],"port":"veth1"}},
      {"guardTunnel":{"peers":["172.30.0.2","fd30::2"],"port":4789}},
      {"guardTunnel":{"port":8472}},
      {"publish":{"chain":"UCR","conditions":["-s","10.0.0.0/8"],"excludedDevices":["br0","eth1"],"hostIP":"192.0.2.1",
      "hostPort":53,"protocol":"udp","target":"10.1.0.2","targetPort":5353}},
      {"publish":{"hostPort":80,"masquerade":{"bit":13,"everything":true,"link":"cni0","subnet":"fd00::/64"},
      "protocol":"tcp","target":"fd00::2","targetPort":8080}},
      {"publish":{"hostPort":9,"masquerade":{"chain":"KUBE-MARK-MASQ","everything":false,"link":"cni0",
      "subnet":"10.1.0.0/24"},"protocol":"sctp","target":"10.1.0.2","targetPort":9}},
      {"float":{"external":"192.0.2.9","link":"cni0","subnet":"10.1.0.0/24","target":"10.1.0.2"}},
      {"admit":{"address":"10.1.0.2","adminChain":"CNI-ADMIN"}},
      {"admit":{"address":"10.1.0.2","link":"br0","subnet":"10.1.0.0/24"}},
      {"pass":{"kind":"published","subnet":"10.1.0.0/24"}},
      {"pass":{"adminChain":"OPS","kind":"outbound","link":"br0","subnet":"fd00::/64"}},
      {"serve":{"address":"fd00::1","bridge":"cni0"}},
      {"trust":{"address":"10.1.0.2","zone":"trusted"}},
      {"trust":{"address":"fd00::2","zone":"docker/net"}}]}
      """
    #expect(Self.everything.json.text == text.filter { $0 != "\n" })
    let plain = #"{"container":"c1","interface":"eth0","network":"net","part":"network","rules":[]}"#
    #expect(RuleSet(Self.owner, .network, []).json.text == plain)
  }

  @Test func `an isolation stored without a partner is read without one`() throws {
    let text = #"{"bridge":"cni0","reach":"network","separates":false}"#
    #expect(try CNIJSON.decode(Isolation.self, from: Array(text.utf8)) == Isolation("cni0", reach: .network))
    #expect("\(Rule.isolate(Isolation("br0", partner: "vx0", reach: .closed)))" == "isolation of bridge br0 and vx0")
  }

  @Test(arguments: [
    (#"{"network":"n","container":"c","interface":"e","part":"all","rules":[]}"#, "part"),
    (#"{"network":"n","container":"c","interface":"e","part":"ports","rules":[{}]}"#, "rules[0]"),
    (
      #"{"network":"n","container":"c","interface":"e","part":"ports","rules":[{"publish":{"protocol":"tcp","hostPort":0,"target":"10.0.0.1","targetPort":1}}]}"#,
      "rules[0].publish.hostPort"
    ),
    (#"{"network":"../n","container":"c","interface":"e","part":"ports","rules":[]}"#, "network"),
  ])
  func `an invalid rule set is refused with the key`(text: String, key: String) throws {
    #expect {
      try CNIJSON.decode(RuleSet.self, from: Array(text.utf8))
    } throws: { error in
      (error as? CNIError)?.message.hasPrefix("key \"\(key)\"") == true
    }
  }

  @Test func `tags fit an nftables comment and are unique`() throws {
    let long = String(repeating: "n", count: 200)
    let owners = try [("net", "c1"), (long, "c1"), (long + "x", "c1"), ("net", long), ("net", long + "x")].map {
      AttachmentID(
        network: try #require(NetworkName($0)), container: try #require(ContainerID($1)), interface: "abcdefghijklmno")
    }
    #expect(owners[0].filterTag == "cni:net/c1/abcdefghijklmno")
    #expect(Set(owners.map(\.filterTag)).count == owners.count)
    for owner in owners {
      #expect(owner.filterTag.utf8.count <= 115)
      #expect(owner.filterTag.hasPrefix(AttachmentID.filterTagPrefix(owner.network)))
    }
  }

  @Test(
    arguments: [
      (nil, nil, true), ("192.0.2.1", nil, true), (nil, "192.0.2.1", true), ("192.0.2.1", "192.0.2.1", true),
      ("192.0.2.1", "192.0.2.2", false),
    ] as [(IPAddress?, IPAddress?, Bool)])
  func `ports conflict as sockets do`(one: IPAddress?, other: IPAddress?, conflicts: Bool) {
    let port = PublishedPort(.tcp, hostIP: one, hostPort: 80, to: "10.1.0.2", 80)
    var second = PublishedPort(.tcp, hostIP: other, hostPort: 80, to: "10.1.0.3", 8080)
    #expect(port.conflicts(with: second) == conflicts)
    second.transport = .udp
    #expect(!port.conflicts(with: second))
    #expect(!port.conflicts(with: PublishedPort(.tcp, hostPort: 81, to: "10.1.0.3", 80)))
    #expect(!port.conflicts(with: PublishedPort(.tcp, hostPort: 80, to: "fd00::3", 80)))
  }

  @Test func `a published port is printed with host port, protocol and target`() {
    #expect("\(PublishedPort(.tcp, hostPort: 80, to: "fd00::2", 8080))" == "host port 80/tcp to [fd00::2]:8080")
    let bound = PublishedPort(.udp, hostIP: "192.0.2.1", hostPort: 53, to: "10.1.0.2", 5353)
    #expect("\(bound)" == "host port 192.0.2.1:53/udp to 10.1.0.2:5353")
  }
}
