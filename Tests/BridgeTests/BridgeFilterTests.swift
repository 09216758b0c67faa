import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import bridge

@Suite struct BridgeFilterTests {
  @Test(arguments: [
    (
      #""internal":true,"ipMasq":true"#,
      "keys \"internal\" and \"ipMasq\": no packets leave an internal network: want only one of the keys"
    ),
    (
      #""internal":true,"isDefaultGateway":true"#,
      "keys \"internal\" and \"isDefaultGateway\": no packets leave an internal network: want only one of the keys"
    ),
    (#""isolation":"full""#, "key \"isolation\": \"full\": want none, network or container"),
    (#""ipMasqBackend":"ipfw""#, "key \"ipMasqBackend\": \"ipfw\": want iptables or nftables"),
    (
      #""backend":"iptables","ipMasqBackend":"nftables""#,
      "keys \"backend\": \"iptables\" and \"ipMasqBackend\": \"nftables\": want one backend"
    ),
    (#""ipMasqRandomFully":true"#, "key \"ipMasqRandomFully\": true: want \"ipMasq\": true with it"),
    (
      #""args":{"cni":{"links":[{"container":"db","ports":["80"]}]}}"#,
      "key \"links\": containers reach each other anyway: want \"isolation\": \"container\""
    ),
    (
      #""isolation":"container","args":{"cni":{"links":[{"container":"db","ports":["80"]}]}}"#,
      "key \"links\": connections go through the host: want \"isGateway\": true with it"
    ),
    (
      #""isolation":"container","isGateway":true,"args":{"cni":{"links":[{"container":"db","ports":["80"]}]}}"#,
      "key \"links\": \"db\": want the name or identifier of a container on net"
    ),
    (
      #""isolation":"container","isGateway":true,"ipspoofchk":false,"args":{"cni":{"links":[{"container":"db","ports":["80"]}]}}"#,
      "key \"links\": the rules match addresses, which \"ipspoofchk\" does not check: want \"ipspoofchk\": true"
    ),
    (
      #""isolation":"container","isGateway":true,"macLearning":true,"args":{"cni":{"links":[{"container":"db","ports":["80"]}]}}"#,
      "key \"links\": the rules match addresses, which \"macLearning\" does not check: want \"ipspoofchk\": true"
    ),
    (
      #""isolation":"container","args":{"cni":{"links":[{"container":"db","ports":["0/tcp"]}]}}"#,
      "key \"args.cni.links[0].ports[0]\": \"0/tcp\": want a port and a protocol: \"80/tcp\""
    ),
  ])
  func `an invalid configuration is refused and nothing is changed`(keys: String, message: String) throws {
    let fixture = Fixture()
    #expect(throws: CNIError(.invalidNetworkConfig, message)) { try fixture.add("{\(keys)}") }
    #expect(fixture.kernel.applied == [])
  }

  @Test func `macspoofchk is refused with the iptables backend`() throws {
    let fixture = Fixture()
    let message = "key \"macspoofchk\": true: the iptables backend sees no frames: want \"nftables\""
    #expect(throws: CNIError(.unsupportedField, message)) {
      try fixture.add(#"{"macspoofchk":true,"ipMasqBackend":"iptables"}"#)
    }
  }

  @Test func `ADD with ipMasq fails and leaves nothing on a host without packet filter`() throws {
    let fixture = Fixture()
    let before = fixture.kernel.state
    fixture.kernel.filter = FakeFilter(on: nil)
    #expect(throws: CNIError.self) { try fixture.add(#"{"ipMasq":true}"#) }
    #expect(fixture.kernel.state == before)
    _ = try fixture.add("{}")
  }

  @Test func `ADD adds no rules without ipMasq and isolation`() throws {
    let fixture = Fixture()
    _ = try fixture.add(#"{"isGateway":true,"ipMasq":false,"isolation":"none"}"#)
    #expect(try fixture.kernel.filter.ruleSets(of: fixture.owner.network) == [])
  }

  @Test func `ADD adds masquerade, isolation and MAC guard as one rule set`() throws {
    let fixture = Fixture()
    _ = try fixture.add(
      #"{"ipMasq":true,"ipMasqRandomFully":true,"isolation":"container","macspoofchk":true}"#,
      arguments: "MAC=02:00:00:00:00:01;K8S_POD_NAME=web")
    var expected = RuleSet(
      fixture.owner, .network,
      [
        .isolate(Isolation("cni0", reach: .network, separatesContainers: true)),
        .guardSource(SourceGuard(fixture.owner.hostInterface, mac: "02:00:00:00:00:01")),
        .masquerade(Masquerade("10.1.0.5", in: "10.1.0.0/24", isRandom: true)),
        .masquerade(Masquerade("fd00:1::5", in: "fd00:1::/64", isRandom: true)),
      ], backend: .nftables)
    expected.containerName = "web"
    expected.addresses = ["10.1.0.5", "fd00:1::5"]
    #expect(try fixture.kernel.filter.ruleSet(of: fixture.owner, .network) == expected)
    #expect(fixture.kernel.link(fixture.owner.hostInterface, on: .host)?.port?.isolated == true)
    #expect(fixture.kernel.link("cni0", on: .host)?.group == Isolation.linkGroup)
  }

  private static let guarded: [(String, Backend, Bool)] = [
    (#"{"ipam":{"type":"x"},"isolation":"network"}"#, .nftables, true),
    (#"{"ipam":{"type":"x"},"ipspoofchk":true}"#, .iptables, true),
    (#"{"ipam":{"type":"x"},"isolation":"network","ipspoofchk":false}"#, .nftables, false),
    (#"{"ipam":{"type":"x"}}"#, .nftables, false),
    (#"{"ipam":{"type":"x"},"isolation":"network","macLearning":true}"#, .nftables, false),
    (#"{"ipam":{"type":"x"},"isolation":"network","vlanTrunk":[{"id":2}]}"#, .nftables, false),
    (#"{"isolation":"network"}"#, .nftables, false),
  ]

  @Test(arguments: guarded)
  func `ipspoofchk guards source addresses and is on by default in isolated networks`(
    json: String, backend: Backend, isGuarded: Bool
  ) throws {
    let fixture = Fixture()
    fixture.kernel.filter = FakeFilter(on: backend)
    let result = try fixture.add(json)
    let rule = AddressGuard(fixture.owner.hostInterface, ["10.1.0.5", "fd00:1::5"])
    let ruleSet = try fixture.kernel.filter.ruleSet(of: fixture.owner, .guards)
    #expect(ruleSet?.rules == (isGuarded ? [.guardAddresses(rule)] : nil))
    #expect(ruleSet == nil || ruleSet?.backend == .nftables)
    try fixture.plugin.check(fixture.call(json, previous: result))
    try fixture.delete(json, path: nil)
    #expect(try fixture.kernel.filter.ruleSets(of: fixture.owner.network) == [])
  }

  @Test(arguments: [
    (#"{"ipspoofchk":true}"#, "key \"ipspoofchk\": true: without \"ipam\" there is no address to check"),
    (#"{"ipspoofchk":true,"ipam":{"type":"dhcp"}}"#, "key \"ipspoofchk\": true: dhcp may change the address later"),
    (#"{"ipspoofchk":true,"ipam":{"type":"x"},"macLearning":true}"#, "keys \"ipspoofchk\" and \"macLearning\""),
    (#"{"ipspoofchk":true,"ipam":{"type":"x"},"vlanTrunk":[{"id":2}]}"#, "keys \"ipspoofchk\" and \"vlanTrunk\""),
  ])
  func `ipspoofchk is refused if the container's addresses are not fixed`(json: String, fragment: String) throws {
    let fixture = Fixture()
    let error = #expect(throws: CNIError.self) { try fixture.add(json) }
    #expect(error?.code == .invalidNetworkConfig && error?.message.hasPrefix(fragment) == true)
    #expect(fixture.kernel.applied == [])
  }

  @Test func `isolation of a VLAN applies to the VLAN's gateway link`() throws {
    let fixture = Fixture()
    _ = try fixture.add(#"{"bridge":"br0","vlan":100,"isGateway":true,"isolation":"network"}"#)
    let ruleSet = try fixture.kernel.filter.ruleSet(of: fixture.owner, .network)
    #expect(ruleSet?.rules == [.isolate(Isolation("br0.100", reach: .network))])
    #expect(fixture.kernel.link("br0.100", on: .host)?.group == Isolation.linkGroup)
  }

  @Test func `links allow connections to a container given by name or ID`() throws {
    var fixture = Fixture()
    _ = try fixture.add(#"{"isolation":"container"}"#, arguments: "K8S_POD_NAME=db")
    fixture.kernel.state.links[.container] = ["lo": try #require(fixture.kernel.link("lo", on: .container))]
    fixture.owner.container = "c2"
    fixture.ipam.answer = AddResult(ips: [.init(address: "10.1.0.6/24")])
    _ = try fixture.add(
      #"""
      {"isolation":"container","isGateway":true,
      "args":{"cni":{"links":[{"container":"db","ports":["5432","53/udp"]}]}}}
      """#)
    let ruleSet = try fixture.kernel.filter.ruleSet(of: fixture.owner, .network)
    #expect(
      ruleSet?.rules == [
        .isolate(Isolation("cni0", reach: .network, separatesContainers: true)),
        .link(AllowedConnection("cni0", from: "10.1.0.6", to: "10.1.0.5", .tcp, 5432)),
        .link(AllowedConnection("cni0", from: "10.1.0.6", to: "10.1.0.5", .udp, 53)),
      ])
    #expect(fixture.kernel.sysctl("net/ipv4/conf/cni0/proxy_arp_pvlan", on: .host) == "1")
  }

  @Test func `an internal network has no default route and is isolated from all other networks`() throws {
    let fixture = Fixture()
    fixture.ipam.answer.routes = [Route(dst: "0.0.0.0/0"), Route(dst: "10.9.0.0/16")]
    let result = try fixture.add(#"{"internal":true,"isGateway":true}"#)
    #expect(result.routes == [Route(dst: "10.9.0.0/16")])
    #expect(fixture.kernel.state.routes.map(\.dst) == ["10.9.0.0/16"])
    let ruleSet = try fixture.kernel.filter.ruleSet(of: fixture.owner, .network)
    #expect(ruleSet?.rules == [.isolate(Isolation("cni0", reach: .closed))])
  }

  @Test func `ipForward false leaves ip_forward unchanged`() throws {
    let fixture = Fixture()
    _ = try fixture.add(#"{"isGateway":true,"ipForward":false}"#)
    #expect(fixture.kernel.sysctl("net/ipv4/ip_forward", on: .host) == "0")
  }

  @Test func `CHECK reports missing rules, DEL and GC remove existing ones`() throws {
    let fixture = Fixture()
    let json = #"{"ipMasq":true,"macspoofchk":true}"#
    let result = try fixture.add(json)
    try fixture.plugin.check(fixture.call(json, previous: result))
    let ruleSet = try #require(try fixture.kernel.filter.ruleSet(of: fixture.owner, .network))
    fixture.kernel.filter = FakeFilter()
    #expect {
      try fixture.plugin.check(fixture.call(json, previous: result))
    } throws: { error in
      "\(error)".contains("packet filter: masquerade of 10.1.0.5 out of 10.1.0.0/24 is missing")
    }
    try fixture.kernel.filter.add(ruleSet)
    try fixture.collectGarbage(json, keeping: [fixture.owner])
    #expect(try fixture.kernel.filter.ruleSets(of: fixture.owner.network) == [ruleSet])
    try fixture.collectGarbage(json)
    #expect(try fixture.kernel.filter.ruleSets(of: fixture.owner.network) == [])
    try fixture.kernel.filter.add(ruleSet)
    for _ in 1...2 { try fixture.delete(path: nil) }
    #expect(try fixture.kernel.filter.ruleSets(of: fixture.owner.network) == [])
  }
}
