import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import firewall

@Suite struct FirewallTests {
  private let fixture = Fixture()

  @Test(arguments: [#"{}"#, #"{"backend":""}"#, #"{"ingressPolicy":"open"}"#, #"{"backend":"nftables"}"#])
  func `ADD admits every address of the container and returns prevResult`(json: String) throws {
    #expect(try fixture.add(json) == fixture.previous)
    #expect(try fixture.rules == fixture.admissions(nil))
    try fixture.plugin.check(fixture.call(json))
  }

  @Test(arguments: [
    (#"{"backend":"iptables"}"#, "CNI-ADMIN"),
    (#"{"backend":"iptables","iptablesAdminChainName":"NOMAD-ADMIN"}"#, "NOMAD-ADMIN"),
    (#"{"iptablesAdminChainName":"NOMAD-ADMIN"}"#, "NOMAD-ADMIN"),
  ])
  func `with iptables the operator's chain comes first`(json: String, chain: String) throws {
    _ = try fixture.add(json)
    #expect(try fixture.rules == fixture.admissions(chain))
    #expect(try fixture.kernel.filter.ruleSet(of: fixture.owner, .firewall)?.backend == .iptables)
  }

  @Test(arguments: [Backend.nftables, .iptables])
  func `CHECK uses the backend of ADD even if the host would choose another one now`(backend: Backend) throws {
    fixture.kernel.filter = FakeFilter(on: backend)
    _ = try fixture.add("{}")
    fixture.kernel.filter.hostBackend = backend == .nftables ? .iptables : .nftables
    try fixture.plugin.check(fixture.call("{}"))
  }

  @Test(arguments: [("same-bridge", false), ("isolated", true)])
  func `ingressPolicy isolates the bridge`(policy: String, separates: Bool) throws {
    _ = try fixture.add(#"{"ingressPolicy":"\#(policy)"}"#)
    #expect(try fixture.rules.last == .isolate(Isolation("cni0", reach: .outside, separatesContainers: separates)))
    #expect(fixture.kernel.link("veth1", on: .host)?.port?.isolated == separates)
  }

  @Test func `the bridge is found behind other links, and loopback addresses are not admitted`() throws {
    fixture.kernel.addLink("lo", on: .host, kind: nil)
    fixture.kernel.state.links[.host]?["lo"]?.isLoopback = true
    let listed = AddResult(
      interfaces: [
        .init(name: "lo"), .init(name: "lo", sandbox: "/run/netns/c1"), .init(name: "veth1"), .init(name: "cni0"),
        .init(name: "eth0", sandbox: "/run/netns/c1"),
      ],
      ips: [
        .init(interface: 1, address: "127.0.0.1/8"), .init(interface: 1, address: "::1/128"),
        .init(interface: 4, address: "10.1.0.5/24"),
      ])
    let json = #"{"ingressPolicy":"same-bridge"}"#
    try fixture.plugin.add(fixture.call(json, previous: listed)) { (_) throws(CNIError) in }
    let admission = Admission("10.1.0.5", network: .init("cni0", "10.1.0.0/24"))
    #expect(try fixture.rules == [.admit(admission), .isolate(Isolation("cni0", reach: .outside))])
    try fixture.plugin.check(fixture.call(json, previous: listed))
  }

  @Test func `ingressPolicy allows the network's containers on other hosts`() throws {
    let own = Isolation("cni0", partner: "vx-net", directPrefixes: ["10.5.0.0/16"], reach: .network)
    try fixture.kernel.filter.add(RuleSet(fixture.owner, .network, [.isolate(own)]))
    _ = try fixture.add(#"{"ingressPolicy":"same-bridge"}"#)
    #expect(
      try fixture.rules.last
        == .isolate(Isolation("cni0", partner: "vx-net", directPrefixes: ["10.5.0.0/16"], reach: .outside))
    )
    try fixture.plugin.check(fixture.call(#"{"ingressPolicy":"same-bridge"}"#))
  }

  @Test(
    arguments: [
      (
        #"{"backend":"iptables","firewalldZone":"trusted"}"#, 2,
        "key \"firewalldZone\": \"trusted\": only the firewalld backend has zones"
      ),
      (
        #"{"backend":"firewalld","firewalldZone":"a b"}"#, 7,
        "key \"firewalldZone\": \"a b\": want the name of a zone"
      ),
      (
        #"{"backend":"firewalld","iptablesAdminChainName":"A"}"#, 2,
        "key \"iptablesAdminChainName\": \"A\": only the iptables backend has such a chain"
      ),
      (
        #"{"backend":"firewalld"}"#, 100,
        "key \"backend\": \"firewalld\": look for firewalld: this host has none"
      ),
      (#"{"backend":"ipfw"}"#, 7, "key \"backend\": \"ipfw\": want iptables, nftables or firewalld"),
      (
        #"{"backend":"nftables","iptablesAdminChainName":"A"}"#, 2,
        "key \"iptablesAdminChainName\": \"A\": only the iptables backend has such a chain"
      ),
      (
        #"{"iptablesAdminChainName":"A B"}"#, 7,
        "key \"iptablesAdminChainName\": \"A B\": want at most 28 letters, digits, '_', '.' or '-'"
      ),
      (#"{"ingressPolicy":"closed"}"#, 7, "key \"ingressPolicy\": \"closed\": want one of open, same-bridge, isolated"),
    ] as [(String, UInt32, String)])
  func `an invalid configuration is refused and nothing is changed`(json: String, code: UInt32, message: String) throws
  {
    #expect(throws: CNIError(.init(rawValue: code), message)) { try fixture.add(json) }
    #expect(fixture.kernel.applied == [])
  }

  @Test func `firewall without prevResult is refused`() throws {
    let message = "missing prevResult: firewall must be called as chained plugin"
    #expect(throws: CNIError(.invalidNetworkConfig, message)) {
      var call = try fixture.call("{}")
      call.previous = nil
      try fixture.plugin.add(call) { (_) throws(CNIError) in }
    }
    let unbridged = AddResult(interfaces: [.init(name: "eth0", sandbox: "/run/netns/c1")], ips: fixture.previous.ips)
    #expect(throws: CNIError.self) {
      try fixture.plugin.add(fixture.call(#"{"ingressPolicy":"isolated"}"#, previous: unbridged)) {
        (_) throws(CNIError) in
      }
    }
    #expect(fixture.kernel.applied == [])
  }

  @Test(arguments: 0..<4)
  func `ADD leaves everything unchanged if change n is refused`(n: Int) throws {
    try fixture.expectRollback(#"{"ingressPolicy":"isolated"}"#, refusing: n)
  }

  @Test func `ADD rolls back if the result cannot be written`() throws {
    try fixture.expectRollbackWithoutReader(#"{"ingressPolicy":"isolated"}"#)
  }

  @Test
  func `CHECK reports missing rules, DEL can be repeated, STATUS reports a host without packet filter`()
    throws
  {
    _ = try fixture.add("{}")
    for _ in 1...2 { try fixture.delete(path: nil) }
    #expect(try fixture.rules == [])
    #expect {
      try fixture.plugin.check(fixture.call("{}"))
    } throws: { error in
      "\(error)".contains("admission of 10.1.0.5 is missing; packet filter: admission of fd00:1::5 is missing")
    }
    try fixture.status("{}")
    fixture.kernel.filter = FakeFilter(on: nil)
    #expect(try fixture.obstacle("{}")?.code == .notAvailable)
  }
}
