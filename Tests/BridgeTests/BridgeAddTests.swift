import CNI
import Kernel
import NetTypes
import PluginKit
import Testing
import TestSupport

@testable import bridge

@Suite struct BridgeAddTests {
  static let everything = """
    {"bridge":"br0","isDefaultGateway":true,"hairpinMode":true,"portIsolation":true,"enabledad":true,"ipMasq":true,"isolation":"network",
    "ipam":{"type":"fake"}}
    """

  @Test func `makes bridge, pair, addresses and routes`() throws {
    let fixture = try Fixture()
    let result = try fixture.add(Self.everything)
    let host = fixture.owner.hostInterface
    #expect(fixture.kernel.state.links[.host]?.keys.sorted { "\($0)" < "\($1)" } == ["br0", host])
    #expect(fixture.kernel.link(host, on: .host)?.alias == "cni:net/c1/eth0")
    #expect(fixture.kernel.link(host, on: .host)?.port?.hairpin == true)
    #expect(fixture.kernel.link(host, on: .host)?.port?.isolated == true)
    #expect(fixture.kernel.link("lo", on: .container)?.isUp == true)
    #expect(try fixture.kernel.addresses(of: "br0", on: .host) == ["10.1.0.1/24", "fd00:1::1/64"])
    #expect(try fixture.kernel.addresses(of: "eth0", on: .container) == ["10.1.0.5/24", "fd00:1::5/64"])
    #expect(fixture.kernel.state.routes.map(\.dst) == ["0.0.0.0/0", "::/0"])
    #expect(fixture.kernel.state.sysctls[.host]?["net/ipv4/ip_forward"] == "1")
    #expect(fixture.kernel.state.sysctls[.host]?["net/ipv6/conf/all/forwarding"] == "1")
    #expect(result.interfaces.map(\.name) == ["br0", host.description, "eth0"])
    #expect(result.interfaces[2].mac == fixture.kernel.link("eth0", on: .container)?.mac?.description)
    #expect(result.ips.map(\.interface) == [2, 2])
    #expect(result.routes == [Route(dst: "0.0.0.0/0", gw: "10.1.0.1"), Route(dst: "::/0", gw: "fd00:1::1")])
  }

  @Test func `a second attachment changes nothing that is shared and waits for nobody`() throws {
    let first = try Fixture()
    _ = try first.add(Self.everything)
    var second = first
    second.owner.container = try #require(ContainerID("c2"))
    second.kernel.state.links[.container] = ["lo": try #require(first.kernel.link("lo", on: .container))]
    let before = second.kernel.applied.count
    _ = try second.add(Self.everything)
    #expect(second.kernel.locks == [false, true, false])
    #expect(
      second.kernel.applied.dropFirst(before).first.map {
        if case .createLink(let spec) = $0 { spec.name } else { "none" }
      } == second.owner.hostInterface)
  }

  /// Every change that a full ADD makes is refused once.
  @Test(arguments: 0..<40)
  func `leaves everything as it was when change n is refused`(n: Int) throws {
    let fixture = try Fixture()
    let before = fixture.kernel.state
    fixture.kernel.changesBeforeRefusal = n
    do {
      _ = try fixture.add(Self.everything)
      #expect(n >= fixture.kernel.applied.count, "a refused change must be an error")
    } catch let error as CNIError {
      #expect(error.code == .kernelRefused)
      #expect(error.message.hasSuffix("injected"))
      #expect(fixture.kernel.state == before)
      #expect(try fixture.kernel.filter.claims(of: fixture.owner.network) == [])
      #expect(fixture.ipam.calls == [.add, .del])
    }
  }

  @Test func `the sweep above goes past the last change`() throws {
    let fixture = try Fixture()
    _ = try fixture.add(Self.everything)
    #expect((10..<40).contains(fixture.kernel.applied.count))
  }

  @Test func `takes everything back when the result cannot be written`() throws {
    let fixture = try Fixture()
    let before = fixture.kernel.state
    let refusal = CNIError(.ioFailure, "write the result")
    #expect(throws: refusal) {
      try fixture.plugin.add(fixture.call(Self.everything)) { (_) throws(CNIError) in throw refusal }
    }
    #expect(fixture.kernel.state == before)
    #expect(fixture.ipam.calls == [.add, .del])
  }

  @Test func `refuses a second interface of that name before anything is made`() throws {
    let fixture = try Fixture()
    fixture.kernel.addLink("eth0", on: .container)
    #expect {
      try fixture.add(Self.everything)
    } throws: {
      ($0 as? CNIError)?.code == .alreadyAttached
    }
    #expect(fixture.ipam.calls == [])
    #expect(fixture.kernel.applied == [])
  }

  @Test func `the previous result comes first`() throws {
    let previous = AddResult(interfaces: [.init(name: "dummy0")], ips: [.init(interface: 0, address: "192.0.2.1/24")])
    let result = try Fixture().add(Self.everything, previous: previous)
    #expect(result.interfaces.count == 4)
    #expect(result.ips.map(\.interface) == [0, 3, 3])
  }

  @Test func `without IPAM the container gets a link and nothing else`() throws {
    let fixture = try Fixture()
    fixture.ipam.answer = AddResult()
    let result = try fixture.add(#"{"bridge":"br0"}"#)
    #expect(result.ips == [])
    #expect(fixture.kernel.link("eth0", on: .container)?.isUp == true)
    #expect(fixture.kernel.state.addresses.map(\.interface) == ["lo"])
  }

  @Test func `a container interface can be left down`() throws {
    let fixture = try Fixture()
    fixture.ipam.answer = AddResult()
    _ = try fixture.add(#"{"bridge":"br0","disableContainerInterface":true}"#)
    #expect(fixture.kernel.link("eth0", on: .container)?.isUp == false)
  }
}
