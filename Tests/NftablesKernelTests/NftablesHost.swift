import BaseSupport
import CNI
import Foundation
import Linux
import NetTypes
import Nftables
import PacketFilter
import TestSupport
import Testing

/// Contains all kernel tests of nftables; they run one after another.
@Suite(.needsKernel, .serialized) struct NftablesTests {}

struct NftRefused: Error {
  var text: String
}

/// Runs `nft` and returns its output.
func nft(_ arguments: String..., input: String = "") throws -> String {
  let answer = try ChildProcess.run(
    "/usr/sbin/nft", arguments, environment: ["PATH=/usr/sbin:/usr/bin"], input: Array(input.utf8), seconds: 20)
  guard answer.status == 0 else { throw NftRefused(text: String(decoding: answer.errors, as: UTF8.self)) }
  return String(decoding: answer.output, as: UTF8.self)
}

func ruleset() throws -> String { try nft("list", "ruleset") }

/// Runs `body` in a new network namespace with rules of other programs.
func onHost<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
  try onHost { _ in try body() }
}

/// Runs `body` with the path of a second namespace, the container's.
func onHost<Value: Sendable>(_ body: @escaping @Sendable (String) throws -> Value) throws -> Value {
  try inFreshNamespace { container in
    _ = try nft("-f", "-", input: foreignRules)
    return try body(container)
  }
}

private let foreignRules = """
  table ip nat {
    chain PREROUTING { type nat hook prouting priority -100; counter packets 3 bytes 9; }
  }
  table inet filter {
    set own { type ipv4_addr; elements = { 192.0.2.7 comment "cni:net/c1/eth0 ports" } }
    chain forward { type filter hook forward priority 0; ip saddr @own accept; }
  }
  """.replacingOccurrences(of: "prouting", with: "prerouting")

func owner(_ container: String, network: String = "net") throws -> AttachmentID {
  try AttachmentID(
    network: #require(NetworkName(network)), container: #require(ContainerID(container)),
    interface: "eth0")
}

func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
/// The name of an existing link.
func name(_ text: String) throws -> InterfaceName { try #require(InterfaceName.ofLink(text)) }

func port(_ number: UInt16, on host: String? = nil, to target: String = "10.1.0.2") throws -> PublishedPort {
  let hostIP = try host.map { try address($0) }
  let subnet = try prefix(target.contains(":") ? "fd00::1/64" : "10.1.0.1/24")
  return try PublishedPort(
    .tcp, hostIP: hostIP, hostPort: number, to: address(target), 80,
    masquerade: ReturnPath(subnet: subnet, link: name("br0")))
}

/// Rules of every kind, in both families; isolations only for the roles that may have them.
func everyKind(_ role: PluginRole) throws -> [Rule] {
  var conditional = try port(8082)
  conditional.conditions = ["ip", "saddr", "{", "192.0.2.0/24,", "198.51.100.0/24", "}"]
  conditional.excludedDevices = try [name("eth9")]
  var inChain = try port(8083, on: "192.0.2.9")
  inChain.chain = "MESOS-PORTS"
  var marked = try port(8084, to: "10.1.0.3")
  marked.masquerade?.marking = .bit(13)
  var open = try port(8085, to: "fd00::3")
  open.masquerade?.everything = true
  var spare = conditional
  spare.isSpare = true
  var rules: [Rule] = try [
    .masquerade(Masquerade(address("10.1.0.2"), in: prefix("10.1.0.1/24"))),
    .masquerade(Masquerade(address("fd00::2"), in: prefix("fd00::1/64"), isRandom: true)),
    .link(AllowedConnection(name("br0"), from: address("10.1.0.2"), to: address("10.1.0.3"), .tcp, 80)),
    .link(AllowedConnection(name("br0"), from: address("fd00::2"), to: address("fd00::3"), .udp, 53)),
    .guardSource(SourceGuard(name("veth0"), mac: "02:00:00:00:00:09")),
    .guardAddresses(AddressGuard(name("veth0"), [address("10.1.0.2"), address("fd00::2")])),
    .publish(port(8080)), .publish(port(8080, to: "fd00::2")), .publish(port(8081, on: "192.0.2.1")),
    .publish(port(8081, on: "2001:db8::1", to: "fd00::2")), .publish(conditional), .publish(inChain),
    .publish(marked), .publish(open), .publish(spare),
    .float(
      FloatingAddress(address("192.0.2.5"), to: address("10.1.0.2"), link: name("br0"), subnet: prefix("10.1.0.1/24"))),
    .float(
      FloatingAddress(address("2001:db8::5"), to: address("fd00::2"), link: name("br0"), subnet: prefix("fd00::1/64"))),
    .admit(Admission(address("10.1.0.2"))), .admit(Admission(address("fd00::2"))),
    .serve(NameService(name("br0"), address: address("10.1.0.1"))),
    .serve(NameService(name("br0"), address: address("fd00::1"))),
  ]
  if role == .network || role == .firewall {
    for (index, reach) in Isolation.Reach.allCases.enumerated() {
      rules.append(try .isolate(Isolation(name("br\(index)"), reach: reach, separatesContainers: index == 1)))
      rules.append(
        try .isolate(
          Isolation(name("ov\(index)"), partner: name("vx\(index)"), reach: reach, separatesContainers: index == 1)))
    }
  }
  return try rules + tunnels() + (role == .policies ? policies() : []) + (role == .services ? backEnds() : [])
}

private func backEnds() throws -> [Rule] {
  let (four, six) = (try prefix("10.1.0.1/24"), try prefix("fd00::1/64"))
  var shared = try BackEnd(of: "web", address("fd05::10"), .udp, 53, .roundRobin, to: address("fd00::2"), 53, in: six)
  shared.device = try name("br0")
  return try [
    BackEnd(of: "web", address("10.5.255.10"), .tcp, 80, .random, to: address("10.1.0.2"), 8080, in: four, weight: 3),
    BackEnd(of: "web", nil, .tcp, 80, .source, to: address("10.1.0.2"), 8080, in: four),
    BackEnd(of: "web", nil, .sctp, 80, .source, to: address("fd00::2"), 8080, in: six),
    BackEnd(of: "idle", address("10.5.255.10"), .tcp, 81, .random, to: address("10.1.0.2"), 81, in: four, weight: 0),
    shared,
  ].map(Rule.balance)
}

private func policies() throws -> [Rule] {
  let web = Label(key: "tier", value: "web")
  let ingress: [Policy.Permission] = try [
    .init(.network("front"), [PortSpan(514...514), PortSpan(8000...8100, .tcp)]),
    .init(.label(web), [PortSpan(80...90, .tcp)]),
    .init(.prefix(prefix("192.0.2.0/25")), [PortSpan(80...80, .tcp)]), .init(.prefix(prefix("2001:db8::/32"))),
    .init(.prefix(.everything(.v4)), [PortSpan(80...80, .tcp), PortSpan(81...81, .udp)]),
  ]
  var routed = Policy(of: [try address("10.1.0.4")], on: [try name("veth4")], ingress: nil, egress: [.init(.anyone)])
  routed.ownsLinks = true
  var spanning = Policy(
    of: [try address("10.80.1.2"), try address("fd88::2")], on: [try name("ov0")],
    ingress: [.init(.network("front")), .init(.label(web))], egress: [.init(.label(web))])
  (spanning.tunnel, spanning.network) = (try name("vx0"), [try prefix("10.80.0.0/16"), try prefix("fd88::/32")])
  var far = spanning
  (far.addresses, far.egress) = ([], nil)
  return try [
    .limit(spanning), .limit(far),
    .limit(
      Policy(
        of: [address("10.1.0.2"), address("fd00::2")], on: [name("br0")], ingress: ingress, egress: [], logGroup: 5)),
    .limit(routed), .join(Membership(of: [address("10.1.0.2"), address("fd00::2")], on: [name("br0")], [web])),
  ]
}

private func tunnels() throws -> [Rule] {
  try [
    .guardTunnel(TunnelGuard(port: 4789, peers: [address("172.30.0.2"), address("fd30::2")])),
    .guardTunnel(TunnelGuard(port: 8472, peers: nil)),
  ]
}

/// The error that `body` throws; `nil` if it throws none.
func refusal(_ body: () throws -> Void) -> KernelError? {
  do {
    try body()
    return nil
  } catch let error as KernelError { return error } catch { return KernelError("\(error)", errno: .none, reason: "") }
}

/// Adds and removes each rule set ten times, each in a thread of its own; returns those that were not complete once.
func addAndRemoveAtOnce(_ ruleSets: [RuleSet]) throws -> [String] {
  try atOnce(ruleSets.count, workers: ruleSets.count) { (index) -> String? in
    let ruleSet = ruleSets[index], backend = NftablesBackend()
    for _ in 0..<10 {
      try backend.add(ruleSet)
      if try !backend.missing(from: ruleSet).isEmpty { return "\(ruleSet.owner): missing" }
      try backend.remove(ruleSet.owner.filterTag, ruleSet.role, recordedRules: ruleSet.rules)
    }
    return nil
  }.compactMap { try $0.get() }
}
