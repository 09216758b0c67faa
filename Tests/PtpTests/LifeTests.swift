import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import ptp

@Suite struct LifeTests {
  static let json = #"{"ipam":{"type":"fake"},"ipMasq":true}"#
  static let peerJSON = #"{"ipam":{"type":"fake"},"peer":"b","peerIfName":"b0"}"#

  private func attached(_ keys: String = kinds[0]) throws -> (Fixture, AddResult) {
    let fixture = Fixture()
    return (fixture, try fixture.add(keys))
  }

  @Test(arguments: kinds)
  func `CHECK reports no difference after ADD and calls IPAM CHECK`(keys: String) throws {
    let (fixture, result) = try attached(keys)
    #expect(try fixture.complaint(keys, result) == "")
    #expect(fixture.ipam.calls == [.add, .check])
  }

  @Test func `CHECK distinguishes two ends with the same name`() throws {
    let keys = #""peer":"b","peerIfName":"eth0""#
    let (fixture, result) = try attached(keys)
    #expect(try fixture.complaint(keys, result) == "")
    fixture.kernel.state.addresses.removeAll { $0.netns == .container && $0.interface == "eth0" }
    let all = ["10.1.0.5/24", "fd00:1::5/64"].map { "container address \($0) is missing on eth0" }
    #expect(try fixture.complaint(keys, result) == "eth0 is not as ADD left it: \(all.joined(separator: "; "))")
  }

  /// The message of CHECK after a change, and the change; HOST stands for the host end.
  static let damages: [(String, @Sendable (FakeKernel, InterfaceName) -> Void)] = [
    ("container link eth0 is missing", { kernel, _ in kernel.state.links[.container]?["eth0"] = nil }),
    ("host link HOST has state up false, want true", { $0.state.links[.host]?[$1]?.isUp = false }),
    (
      "host link HOST has alias none, want cni:net/c1/eth0", { $0.state.links[.host]?[$1]?.alias = nil }
    ),
    (
      "container link eth0 has alias none, want cni:net/c1/eth0",
      { kernel, _ in kernel.state.links[.container]?["eth0"]?.alias = nil }
    ),
    (
      "container link eth0 and host link HOST are not a pair",
      { kernel, host in kernel.state.links[.host]?[host]?.peerIndex = nil }
    ),
    ("container link eth0 has MTU 1000, want 1500", { k, _ in k.state.links[.container]?["eth0"]?.mtu = 1000 }),
    ("host link HOST has MTU 1000, want 1500", { $0.state.links[.host]?[$1]?.mtu = 1000 }),
    (
      "container link eth0 has MAC 02:00:00:00:00:99, want",
      { kernel, _ in kernel.state.links[.container]?["eth0"]?.mac = "02:00:00:00:00:99" }
    ),
    (
      "host link HOST has MAC 02:00:00:00:00:99, want", { $0.state.links[.host]?[$1]?.mac = "02:00:00:00:00:99" }
    ),
    ("host address 10.1.0.1/32 is missing on HOST", { k, _ in k.loseAddress("10.1.0.1/32") }),
    ("host address fd00:1::1/128 is missing on HOST", { k, _ in k.loseAddress("fd00:1::1/128") }),
    ("container address 10.1.0.5/24 is missing on eth0", { k, _ in k.loseAddress("10.1.0.5/24") }),
    ("container address fd00:1::5/64 is missing on eth0", { k, _ in k.loseAddress("fd00:1::5/64") }),
    ("host route 10.1.0.5/32 on HOST is missing", { k, _ in k.loseRoute("10.1.0.5/32") }),
    ("host route fd00:1::5/128 on HOST is missing", { k, _ in k.loseRoute("fd00:1::5/128") }),
    ("container route 10.1.0.1/32 on eth0 is missing", { k, _ in k.loseRoute("10.1.0.1/32") }),
    ("container route 10.1.0.0/24 via 10.1.0.1 on eth0 is missing", { k, _ in k.loseRoute("10.1.0.0/24") }),
    ("container route fd00:1::/64 via fd00:1::1 on eth0 is missing", { k, _ in k.loseRoute("fd00:1::/64") }),
    ("container route 0.0.0.0/0 via 10.1.0.1 on eth0 is missing", { k, _ in k.loseRoute("0.0.0.0/0") }),
    (
      "container route 10.1.0.1/32 on eth0 is missing",
      { kernel, _ in
        for index in kernel.state.routes.indices where kernel.state.routes[index].dst == "10.1.0.1/32" {
          kernel.state.routes[index].source = nil
        }
      }
    ),
    (
      "host sysctl net/ipv4/ip_forward is 0, want 1",
      { kernel, _ in kernel.state.sysctls[.host]?["net/ipv4/ip_forward"] = "0" }
    ),
    (
      "host sysctl net/ipv6/conf/all/forwarding is 0, want 1",
      { kernel, _ in kernel.state.sysctls[.host]?["net/ipv6/conf/all/forwarding"] = "0" }
    ),
    (
      "host sysctl net/ipv6/conf/HOST/disable_ipv6 is 1, want 0",
      { $0.state.sysctls[.host]?["net/ipv6/conf/\($1)/disable_ipv6"] = "1" }
    ),
    ("packet filter: ", { kernel, _ in kernel.filter = FakeFilter() }),
    ("container link lo has state up false", { k, _ in k.state.links[.container]?["lo"]?.isUp = false }),
  ]

  @Test(arguments: damages.indices)
  func `CHECK reports the difference`(index: Int) throws {
    let (fixture, result) = try attached()
    let (message, damage) = Self.damages[index]
    damage(fixture.kernel, fixture.owner.hostInterface)
    let expected = message.replacing("HOST", with: fixture.owner.hostInterface.description)
    #expect(try fixture.complaint(kinds[0], result).contains(expected))
  }

  @Test(
    arguments: [nil, "/run/netns/c1"], [nil, LifeTests.json])
  func `DEL removes pair, rules and lease without namespace or configuration`(path: String?, json: String?) throws {
    let (fixture, _) = try attached()
    for _ in 1...2 { try fixture.delete(json, path: path) }
    #expect(fixture.names(on: .host) == [])
    #expect(fixture.names(on: .container) == ["lo"])
    #expect(try fixture.kernel.filter.ruleSets(of: fixture.owner.network) == [])
    #expect(fixture.ipam.calls == [.add, .del, .del])
  }

  @Test func `DEL removes the host's end by its name even with another alias`() throws {
    let (fixture, _) = try attached()
    fixture.kernel.state.links[.host]?[fixture.owner.hostInterface]?.alias = "alias of another program"
    try fixture.delete(nil, path: nil)
    #expect(fixture.names(on: .host) == [])
  }

  @Test(arguments: [nil, "/run/netns/c1"])
  func `DEL removes the peer's end by its name and owner tag`(path: String?) throws {
    let (fixture, _) = try attached(kinds[1])
    try fixture.delete(Self.peerJSON, path: path)
    #expect(fixture.names(on: .host) == [])
    #expect(fixture.names(on: .container) == ["lo"])
  }

  @Test(arguments: [nil, "cni:net/c2/eth0", "cni:other/c1/eth0", "uplink"])
  func `DEL keeps the peer's own interface of the same name`(alias: String?) throws {
    let fixture = Fixture()
    fixture.kernel.addLink("b0", on: .host, kind: "veth")
    fixture.kernel.state.links[.host]?["b0"]?.alias = alias
    try fixture.delete(Self.peerJSON)
    #expect(fixture.names(on: .host) == ["b0"])
  }

  @Test func `DEL removes the container's end if the peer's namespace cannot be opened`() throws {
    let (fixture, _) = try attached(kinds[1])
    // On the host, a link of another owner has the same index as the other end in the peer.
    let other = try #require(fixture.kernel.link("b0", on: .host)?.index)
    fixture.kernel.state.links[.host] = [
      "veth1": {
        var link = LinkInfo(name: "veth1", index: other, kind: "veth")
        link.alias = "cni:net2/c9/eth0"
        return link
      }()
    ]
    let kernel = fixture.kernel
    let plugin = MainPlugin(PTPDriver(), peerNamespace: \.peerNamespace) { namespaces throws(KernelError) in
      guard namespaces.peerPath == nil else { throw KernelError("open the peer", errno: .ENOENT, reason: "gone") }
      return kernel
    }
    let removal = Removal(
      owner: fixture.owner, namespacePath: "/run/netns/c1", config: try fixture.config(Self.peerJSON),
      delegates: fixture.ipam.delegates)
    try plugin.delete(removal)
    #expect(fixture.names(on: .container) == ["lo"])
    #expect(!fixture.kernel.applied.contains(.deleteLink("veth1", on: .host)))
    #expect(throws: CNIError(.notAvailable, "open the peer: gone", details: "errno 2")) {
      try plugin.status(fixture.network(Self.peerJSON))
    }
  }

  @Test func `DEL keeps another network's interface`() throws {
    let (fixture, _) = try attached()
    var other = fixture
    other.owner.network = "other"
    try other.delete(nil)
    #expect(fixture.names(on: .container) == ["eth0", "lo"])
  }

  @Test func `DEL releases the lease even if the kernel refuses a change`() throws {
    let (fixture, _) = try attached()
    fixture.kernel.changesBeforeRefusal = 0
    #expect(throws: CNIError.self) { try fixture.delete(nil) }
    #expect(fixture.ipam.calls == [.add, .del])
  }

  @Test(arguments: [json, peerJSON])
  func `GC keeps valid attachments and foreign interfaces`(json: String) throws {
    let (fixture, _) = try attached(json == Self.json ? kinds[0] : kinds[1])
    let ours = fixture.names(on: .host)
    fixture.kernel.addLink("veth1234", on: .host, kind: "veth")
    var foreign = fixture.owner
    foreign.network = "other"
    fixture.kernel.addLink(foreign.hostInterface, on: .host, kind: "veth")
    fixture.kernel.state.links[.host]?[foreign.hostInterface]?.alias = foreign.tag
    let kept = ["veth1234", foreign.hostInterface.description]
    try fixture.collectGarbage(json, keeping: [.example])
    #expect(fixture.names(on: .host) == (ours + kept).sorted())
    try fixture.collectGarbage(json)
    #expect(fixture.names(on: .host) == kept.sorted())
    #expect(try fixture.kernel.filter.ruleSets(of: fixture.owner.network) == [])
    #expect(fixture.ipam.calls == [.add, .gc, .gc])
  }

  @Test func `STATUS fails with ipMasq on a host without a packet filter`() throws {
    let fixture = Fixture()
    try fixture.status(Self.json)
    fixture.kernel.filter = FakeFilter(on: nil)
    #expect(throws: CNIError(.notAvailable, "choose a packet filter: this host has none")) {
      try fixture.status(Self.json)
    }
    try fixture.status(#"{"ipam":{"type":"fake"}}"#)
    #expect(fixture.ipam.calls == [.status, .status])
  }
}

extension FakeKernel {
  fileprivate func loseAddress(_ prefix: IPPrefix) { state.addresses.removeAll { $0.prefix == prefix } }
  fileprivate func loseRoute(_ dst: IPPrefix) { state.routes.removeAll { $0.dst == dst } }
}
