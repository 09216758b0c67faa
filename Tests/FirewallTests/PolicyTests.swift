import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import firewall

@Suite struct PolicyDriverTests {
  private let fixture = Fixture()

  private static let policy = #"{"policy":{"ingress":[{"from":{"network":"front"},"ports":["514"]}]}}"#

  private var policies: [Rule] {
    get throws { try fixture.kernel.filter.ruleSet(of: fixture.owner, .policies)?.rules ?? [] }
  }

  @Test func `ADD limits the addresses behind the bridge, and checks the sources of the port`() throws {
    _ = try fixture.add(Self.policy)
    let addresses: [IPAddress] = ["10.1.0.5", "fd00:1::5"]
    #expect(
      try policies == [
        .limit(
          Policy(
            of: addresses, on: ["cni0"], ingress: [.init(.network("front"), [PortSpan(514...514)])], egress: [])),
        .guardAddresses(AddressGuard("veth1", addresses)),
      ])
    try fixture.plugin.check(fixture.call(Self.policy))
  }

  @Test func `labels are added also without limits`() throws {
    let args = #""args":{"cni":{"labels":[{"key":"tier","value":"web"}]}}"#
    _ = try fixture.add(#"{"policy":{"default":"allow"},\#(args)}"#)
    #expect(
      try policies == [
        .join(Membership(of: ["10.1.0.5", "fd00:1::5"], on: ["cni0"], [Label(key: "tier", value: "web")])),
        .guardAddresses(AddressGuard("veth1", ["10.1.0.5", "fd00:1::5"])),
      ])
  }

  @Test func `the policy of a Mesos task knows its labels and groups`() throws {
    let info = #"{"groups":["web"],"labels":{"labels":[{"key":"tier","value":"db"}]}}"#
    _ = try fixture.add(
      #"{"policy":{"default":"allow"},"args":{"org.apache.mesos":{"network_info":\#(info)}}}"#)
    guard case .join(let member) = try policies.first else { return #expect(Bool(false)) }
    #expect(member.labels.map { $0.description } == ["group=web", "tier=db"])
  }

  @Test func `the port is guarded once`() throws {
    let addresses: [IPAddress] = ["10.1.0.5", "fd00:1::5"]
    try fixture.kernel.filter.add(
      RuleSet(fixture.owner, .guards, [.guardAddresses(AddressGuard("veth1", addresses))]))
    _ = try fixture.add(Self.policy)
    #expect(try policies.count == 1)
  }

  @Test func `a policy is refused on a network that spans hosts`() throws {
    fixture.kernel.addLink("vx-net", on: .host, kind: "vxlan")
    fixture.kernel.state.links[.host]?["vx-net"]?.alias = AttachmentID.tagPrefix(fixture.owner.network)
    #expect(try fixture.refusal(Self.policy)?.description.contains("want the key in overlay-vxlan") == true)
    #expect(fixture.kernel.applied == [])
  }

  @Test func `in a VLAN the link of the VLAN counts, and a bridge with VLANs alone is refused`() throws {
    fixture.kernel.state.links[.host]?["cni0"]?.filtersVLANs = true
    #expect(try fixture.refusal(Self.policy)?.description.contains("a bridge without VLANs") == true)
    fixture.kernel.addLink("cni0.20", on: .host, kind: "vlan")
    let bridge = fixture.kernel.link("cni0", on: .host)
    fixture.kernel.state.links[.host]?["cni0.20"]?.parentIndex = bridge?.index
    var previous = fixture.previous
    previous.interfaces.append(.init(name: "cni0.20"))
    _ = try fixture.add(Self.policy, previous: previous)
    guard case .limit(let policy) = try policies.first else { return #expect(Bool(false)) }
    #expect(policy.links == ["cni0.20"])
  }

  @Test(arguments: [Command.del, .gc])
  func `DEL and GC take the port down before the policy goes`(command: Command) throws {
    _ = try fixture.add(Self.policy)
    let count = fixture.kernel.applied.count
    if command == .gc { try fixture.collectGarbage(Self.policy) } else { try fixture.delete(Self.policy) }
    let made = fixture.kernel.applied.dropFirst(count)
    let down = made.firstIndex(of: .changeLink("veth1", on: .host, LinkChange(isUp: false)))
    let gone = made.firstIndex {
      switch $0 {
      case .removeRules(_, .policies, _), .removeStaleRules(_, .policies, _, _): true
      default: false
      }
    }
    #expect(try #require(down) < #require(gone))
    #expect(try policies == [])
  }

  @Test func `a policy is refused where the host does not see the container's packets`() throws {
    let inside = AddResult(interfaces: [.init(name: "eth0", sandbox: "/run/netns/c1")], ips: fixture.previous.ips)
    let error = try fixture.refusal(Self.policy, previous: inside)
    #expect(error?.description.contains("want the key in macvlan or ipvlan") == true)
    #expect(fixture.kernel.applied == [])
    let withoutAddresses = AddResult(interfaces: fixture.previous.interfaces, ips: [])
    let other = try fixture.refusal(Self.policy, previous: withoutAddresses)
    #expect(other?.description.contains("want addresses, and among") == true)
  }

  @Test func `a second policy is refused, and so is one that names its own network`() throws {
    try fixture.kernel.filter.add(
      RuleSet(fixture.owner, .policies, [.limit(Policy(of: [], on: [], ingress: [], egress: []))]))
    #expect(try fixture.refusal(Self.policy)?.description.contains("want the key in one plugin") == true)
    let own = #"{"policy":{"ingress":[{"from":{"network":"net"}}]}}"#
    #expect(try fixture.refusal(own)?.description.contains("is the container's own") == true)
  }

  @Test(arguments: 0..<3)
  func `ADD leaves everything unchanged if change n is refused`(n: Int) throws {
    try fixture.expectRollback(Self.policy, refusing: n)
  }

  @Test func `STATUS needs nf_tables`() throws {
    fixture.kernel.filter = FakeFilter(on: nil)
    #expect(try fixture.obstacle(Self.policy)?.description.contains("policy") == true)
  }
}
