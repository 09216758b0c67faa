import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import ptp

/// Keys of a network with all features of the host end, and of a network between two containers.
let kinds = [#""ipMasq":true,"enabledad":true,"gwPriority":1"#, #""peer":"b","peerIfName":"b0""#]

@Suite struct AddTests {
  @Test func `the result lists both ends and assigns the addresses to the container's end`() throws {
    let fixture = Fixture()
    let result = try fixture.add()
    let host = fixture.owner.hostInterface
    #expect(result.interfaces.map(\.name) == [host.description, "eth0"])
    #expect(result.interfaces.map(\.sandbox) == [nil, "/run/netns/c1"])
    #expect(
      result.interfaces.map(\.mac)
        == [fixture.kernel.link(host, on: .host), fixture.kernel.link("eth0", on: .container)]
        .map { $0?.mac?.description })
    #expect(
      result.ips == [
        .init(interface: 1, address: "10.1.0.5/24", gateway: "10.1.0.1"),
        .init(interface: 1, address: "fd00:1::5/64", gateway: "fd00:1::1"),
      ])
    #expect(result.routes == [Route(dst: "0.0.0.0/0")])
  }

  @Test func `dns in the result comes from IPAM unless it is configured`() throws {
    let fixture = Fixture()
    fixture.ipam.answer.dns = DNS(nameservers: ["10.1.0.1"])
    #expect(try fixture.add().dns.nameservers == ["10.1.0.1"])
    let other = Fixture()
    other.ipam.answer.dns = DNS(nameservers: ["10.1.0.1"])
    #expect(try other.add(#""dns":{"nameservers":["192.0.2.53"]}"#).dns.nameservers == ["192.0.2.53"])
  }

  @Test(arguments: [("", 1400), (#""mtu":1350"#, 1350), (kinds[1], 1500)])
  func `the MTU is the uplink's, or 1500 between two containers`(keys: String, mtu: Int) throws {
    let fixture = Fixture()
    fixture.kernel.addLink("uplink", on: .host, mtu: 1400)
    fixture.kernel.uplink = "uplink"
    #expect(try fixture.add(keys).interfaces.map(\.mtu) == [mtu, mtu])
    #expect(fixture.kernel.link("eth0", on: .container)?.mtu == mtu)
  }

  @Test func `the result starts with prevResult`() throws {
    let previous = AddResult(interfaces: [.init(name: "dummy0")], ips: [.init(interface: 0, address: "192.0.2.1/24")])
    let result = try Fixture().add(previous: previous)
    #expect(result.interfaces.count == 3)
    #expect(result.ips.map(\.interface) == [0, 2, 2])
  }

  @Test func `a second ADD changes no shared sysctl and takes only the shared lock`() throws {
    let first = Fixture()
    _ = try first.add()
    var second = first
    second.owner.container = "c2"
    second.kernel.state.links[.container] = ["lo": try #require(first.kernel.link("lo", on: .container))]
    let before = second.kernel.applied.count
    _ = try second.add()
    #expect(second.kernel.locks == [false, true, false])
    let changed = second.kernel.applied.dropFirst(before).contains { change in
      if case .setSysctls(let settings, .host) = change {
        settings.contains { $0.key.contains("forward") }
      } else {
        false
      }
    }
    #expect(!changed)
  }

  @Test func `a link between two containers enables no forwarding`() throws {
    let fixture = Fixture()
    _ = try fixture.add(kinds[1])
    #expect(fixture.kernel.state.sysctls[.host]?["net/ipv4/ip_forward"] == "0")
    #expect(fixture.kernel.state.sysctls[.host]?["net/ipv6/conf/all/forwarding"] == "0")
    #expect(try fixture.kernel.filter.ruleSets(of: fixture.owner.network) == [])
  }

  /// The kernel refuses each change of an ADD once.
  @Test(arguments: 0..<35, kinds)
  func `ADD is rolled back if change n is refused`(n: Int, keys: String) throws {
    let fixture = Fixture()
    if try fixture.expectRollback(keys, refusing: n) { #expect(fixture.ipam.calls == [.add, .del]) }
  }

  @Test(arguments: kinds)
  func `the rollback test reaches the last change`(keys: String) throws {
    let fixture = Fixture()
    _ = try fixture.add(keys)
    #expect((10..<35).contains(fixture.kernel.applied.count))
  }

  @Test func `ADD is rolled back if the result cannot be written`() throws {
    let fixture = Fixture()
    try fixture.expectRollbackWithoutReader(kinds[0])
    #expect(fixture.ipam.calls == [.add, .del])
  }

  @Test func `ADD refuses an existing interface name before it changes anything`() throws {
    let fixture = Fixture()
    fixture.kernel.addLink("eth0", on: .container)
    #expect {
      _ = try fixture.add()
    } throws: {
      ($0 as? CNIError)?.code == .alreadyAttached
    }
    #expect(fixture.ipam.calls == [])
    #expect(fixture.kernel.applied == [])
  }

  @Test func `a peerIfName that exists in the peer is refused`() throws {
    let fixture = Fixture()
    fixture.kernel.addLink("b0", on: .host)
    let message = "key \"peerIfName\": \"b0\" is taken in /run/netns/b: want a free name"
    #expect(throws: CNIError(.invalidNetworkConfig, message)) { _ = try fixture.add(kinds[1]) }
    #expect(fixture.kernel.applied == [])
  }

  @Test func `ipMasq fails on a host without a packet filter, and nothing is left`() throws {
    let fixture = Fixture()
    let before = fixture.kernel.state
    fixture.kernel.filter = FakeFilter(on: nil)
    #expect(throws: CNIError.self) { _ = try fixture.add(kinds[0]) }
    #expect(fixture.kernel.state == before)
    _ = try fixture.add()
  }
}
