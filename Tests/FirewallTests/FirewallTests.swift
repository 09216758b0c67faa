import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import firewall

@Suite struct FirewallTests {
  let kernel = FakeKernel()
  let owner: AttachmentID
  let previous = AddResult(
    interfaces: [
      .init(name: "cni0"), .init(name: "veth1"), .init(name: "eth0", sandbox: "/run/netns/c1"),
    ],
    ips: [.init(interface: 2, address: "10.1.0.5/24"), .init(interface: 2, address: "fd00:1::5/64")])

  init() throws {
    owner = AttachmentID(
      network: try #require(NetworkName("net")), container: try #require(ContainerID("c1")), interface: "eth0")
    kernel.addLink("cni0", on: .host, kind: "bridge")
    kernel.addLink("veth1", on: .host, kind: "veth")
    kernel.state.links[.host]?["veth1"]?.port = BridgePort(hairpin: false, isolated: false)
  }

  var plugin: ChainedPlugin<FirewallDriver, FakeKernel> {
    ChainedPlugin(FirewallDriver()) { [kernel] () throws(KernelError) in kernel }
  }

  func call(_ json: String, previous: AddResult?) throws -> Call<FirewallConfig> {
    Call(
      owner: owner, namespacePath: "/run/netns/c1",
      config: try CNIJSON.decode(FirewallConfig.self, from: Array(json.utf8)),
      previous: previous, delegates: Delegates(ipam: nil) { (_, _, _) throws(CNIError) in nil })
  }

  func add(_ json: String) throws -> AddResult {
    var answer = AddResult()
    try plugin.add(call(json, previous: previous)) { (result) throws(CNIError) in answer = result }
    return answer
  }

  var rules: [Rule] { get throws { try kernel.filter.ruleSet(of: owner, .firewall)?.rules ?? [] } }

  /// The admissions of both addresses, with their networks for rules in the host's own chains.
  func admissions(_ chain: String?) -> [Rule] {
    [
      .admit(Admission("10.1.0.5", adminChain: chain, network: .init("cni0", "10.1.0.0/24"))),
      .admit(Admission("fd00:1::5", adminChain: chain, network: .init("cni0", "fd00:1::/64"))),
    ]
  }

  @Test(arguments: [#"{}"#, #"{"backend":""}"#, #"{"ingressPolicy":"open"}"#, #"{"backend":"nftables"}"#])
  func `ADD admits every address of the container and returns prevResult`(json: String) throws {
    #expect(try add(json) == previous)
    #expect(try rules == admissions(nil))
    try plugin.check(call(json, previous: previous))
  }

  @Test(arguments: [
    (#"{"backend":"iptables"}"#, "CNI-ADMIN"),
    (#"{"backend":"iptables","iptablesAdminChainName":"NOMAD-ADMIN"}"#, "NOMAD-ADMIN"),
    (#"{"iptablesAdminChainName":"NOMAD-ADMIN"}"#, "NOMAD-ADMIN"),
  ])
  func `with iptables the operator's chain comes first`(json: String, chain: String) throws {
    _ = try add(json)
    #expect(try rules == admissions(chain))
    #expect(try kernel.filter.ruleSet(of: owner, .firewall)?.backend == .iptables)
  }

  @Test(arguments: [Backend.nftables, .iptables])
  func `CHECK uses the backend of ADD even if the host would choose another one now`(backend: Backend) throws {
    kernel.filter = FakeFilter(on: backend)
    _ = try add("{}")
    var filter = try #require(kernel.filter as? FakeFilter)
    filter.hostBackend = backend == .nftables ? .iptables : .nftables
    kernel.filter = filter
    try plugin.check(call("{}", previous: previous))
  }

  @Test(arguments: [("same-bridge", false), ("isolated", true)])
  func `ingressPolicy isolates the bridge`(policy: String, separates: Bool) throws {
    _ = try add(#"{"ingressPolicy":"\#(policy)"}"#)
    #expect(try rules.last == .isolate(Isolation("cni0", reach: .outside, separatesContainers: separates)))
    #expect(kernel.link("veth1", on: .host)?.port?.isolated == separates)
  }

  @Test func `the bridge is found behind other links, and loopback addresses are not admitted`() throws {
    kernel.addLink("lo", on: .host, kind: nil)
    kernel.state.links[.host]?["lo"]?.isLoopback = true
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
    try plugin.add(call(json, previous: listed)) { (_) throws(CNIError) in }
    let admission = Admission("10.1.0.5", network: .init("cni0", "10.1.0.0/24"))
    #expect(try rules == [.admit(admission), .isolate(Isolation("cni0", reach: .outside))])
    try plugin.check(call(json, previous: listed))
  }

  @Test func `ingressPolicy allows the network's containers on other hosts`() throws {
    let own = Isolation("cni0", partner: "vx-net", directPrefixes: ["10.5.0.0/16"], reach: .network)
    try kernel.filter.add(RuleSet(owner, .network, [.isolate(own)]))
    _ = try add(#"{"ingressPolicy":"same-bridge"}"#)
    #expect(
      try rules.last == .isolate(Isolation("cni0", partner: "vx-net", directPrefixes: ["10.5.0.0/16"], reach: .outside))
    )
    try plugin.check(call(#"{"ingressPolicy":"same-bridge"}"#, previous: previous))
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
    #expect(throws: CNIError(.init(rawValue: code), message)) { try add(json) }
    #expect(kernel.applied == [])
  }

  @Test func `firewall without prevResult is refused`() throws {
    let message = "missing prevResult: firewall must be called as chained plugin"
    #expect(throws: CNIError(.invalidNetworkConfig, message)) {
      try plugin.add(call("{}", previous: nil)) { (_) throws(CNIError) in }
    }
    let unbridged = AddResult(interfaces: [.init(name: "eth0", sandbox: "/run/netns/c1")], ips: previous.ips)
    #expect(throws: CNIError.self) {
      try plugin.add(call(#"{"ingressPolicy":"isolated"}"#, previous: unbridged)) { (_) throws(CNIError) in }
    }
    #expect(kernel.applied == [])
  }

  @Test(arguments: 0..<4)
  func `ADD leaves everything unchanged if change n is refused`(n: Int) throws {
    let before = kernel.state
    kernel.changesBeforeRefusal = n
    do {
      _ = try add(#"{"ingressPolicy":"isolated"}"#)
      #expect(n >= kernel.applied.count, "a refused change must be an error")
    } catch let error as CNIError {
      #expect(error.message.hasSuffix("injected"))
      #expect(kernel.state == before)
      #expect(try rules == [])
    }
  }

  @Test func `ADD rolls back if the result cannot be written`() throws {
    let before = kernel.state
    let refusal = CNIError(.ioFailure, "write the result")
    #expect(throws: refusal) {
      try plugin.add(call(#"{"ingressPolicy":"isolated"}"#, previous: previous)) { (_) throws(CNIError) in throw refusal
      }
    }
    #expect(kernel.state == before)
    #expect(try rules == [])
  }

  @Test
  func `CHECK reports missing rules, DEL can be repeated, STATUS reports a host without packet filter`()
    throws
  {
    _ = try add("{}")
    for _ in 1...2 {
      try plugin.delete(
        Removal(owner: owner, namespacePath: nil, config: nil, delegates: call("{}", previous: nil).delegates))
    }
    #expect(try rules == [])
    #expect {
      try plugin.check(call("{}", previous: previous))
    } throws: { error in
      "\(error)".contains("admission of 10.1.0.5 is missing; packet filter: admission of fd00:1::5 is missing")
    }
    let network = NetworkCall(
      name: owner.network, config: try call("{}", previous: nil).config,
      delegates: try call("{}", previous: nil).delegates)
    try plugin.status(network)
    kernel.filter = FakeFilter(on: nil)
    #expect {
      try plugin.status(network)
    } throws: { error in
      (error as? CNIError)?.code == .notAvailable
    }
  }
}
