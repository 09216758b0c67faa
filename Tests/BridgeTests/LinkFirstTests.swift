import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import bridge

/// An IPAM plugin that works through the link, as `dhcp` does: it notes what it finds when it is called.
private final class LinkIPAM {
  struct Found: Equatable {
    var command: Command
    var linkIsUp: Bool?
    var mac: MACAddress?
    var hasAddresses: Bool
    var hostIsLocked: Bool
  }
  let kernel: FakeKernel
  let type: String
  var answer = FakeIPAM().answer
  var refusals: [Command: CNIError] = [:]
  var found: [Found] = []

  init(_ type: String = "dhcp", on kernel: FakeKernel) {
    self.type = type
    self.kernel = kernel
  }

  var commands: [Command] { found.map(\.command) }

  var delegates: Delegates {
    Delegates(ipam: PluginType(type)) { [self] (_, command, _) throws(CNIError) in
      let link = kernel.link("eth0", on: .container)
      found.append(
        Found(
          command: command, linkIsUp: link?.isUp, mac: link?.mac,
          hasAddresses: kernel.state.addresses.contains { $0.interface == "eth0" }, hostIsLocked: kernel.isLocked))
      if let refusal = refusals[command] { throw refusal }
      return command == .add ? answer : nil
    }
  }
}

@Suite struct LinkFirstTests {
  private static let keys = #"""
    "bridge": "br0", "isDefaultGateway": true, "ipMasq": true, "macspoofchk": true, "enabledad": true, "mtu": 1400,
    "runtimeConfig": {"mac": "02:00:00:00:00:77"}
    """#

  private func json(_ type: String = "dhcp", _ keys: String = keys) -> String {
    #"{"ipam": {"type": "\#(type)"}, \#(keys)}"#
  }

  private func add(
    _ fixture: Fixture, _ ipam: LinkIPAM, _ json: String, commit: (AddResult) throws(CNIError) -> Void = { _ in }
  ) throws -> AddResult {
    var call = try fixture.call(json)
    call.delegates = ipam.delegates
    var answer = AddResult()
    try fixture.plugin.add(call) { (result) throws(CNIError) in
      answer = result
      try commit(result)
    }
    return answer
  }

  @Test func `it is asked when the interface is up and nobody else has to wait`() throws {
    let fixture = try Fixture()
    let ipam = LinkIPAM(on: fixture.kernel)
    let result = try add(fixture, ipam, json("dhcp", #""bridge": "br0""#))
    let mac = try #require(fixture.kernel.link("eth0", on: .container)?.mac)
    #expect(
      ipam.found == [.init(command: .add, linkIsUp: true, mac: mac, hasAddresses: false, hostIsLocked: false)])
    #expect(result.interfaces.last?.mac == mac.description)
    #expect(result.ips.map(\.address) == ["10.1.0.5/24", "fd00:1::5/64"])
  }

  /// What does not differ by chance.
  private struct Made: Equatable {
    var addresses: [AddressSpec]
    var routes: [RouteSpec]
    var sysctls: [NetNS: [String: String]]
    var vlans: [InterfaceName: PortVLANs]
    var rules: [[Rule]]
    var links: [NetNS: [InterfaceName: LinkInfo]]

    init(_ kernel: FakeKernel, _ owner: AttachmentID) throws {
      addresses = kernel.state.addresses.sorted { $0.description < $1.description }
      routes = kernel.state.routes
      // Where addresses are asked for on the link, routers there stay as the kernel has them.
      sysctls = kernel.state.sysctls.mapValues { $0.filter { !$0.key.hasSuffix("eth0/accept_ra") } }
      vlans = kernel.state.vlans
      rules = try kernel.filter.ruleSets(of: owner.network).map(\.rules)
      links = kernel.state.links.mapValues { links in
        links.mapValues { link in
          var link = link
          link.mac = nil
          return link
        }
      }
    }
  }

  @Test(arguments: [
    keys, #""bridge": "br0""#, #""bridge": "br0", "isGateway": true, "vlan": 100, "gwPriority": 5"#,
    #""bridge": "br0", "isGateway": true, "isolation": "container", "ipspoofchk": false, "hairpinMode": true"#,
  ])
  func `all is as with any other IPAM plugin in the end, and no change is made twice`(keys: String) throws {
    let other = try Fixture(), fixture = try Fixture()
    let expected = try add(other, LinkIPAM("fake", on: other.kernel), json("fake", keys))
    let result = try add(fixture, LinkIPAM(on: fixture.kernel), json("dhcp", keys))
    #expect(try Made(fixture.kernel, fixture.owner) == Made(other.kernel, other.owner))
    #expect(result.ips == expected.ips)
    #expect(result.routes == expected.routes)
    let applied = fixture.kernel.applied
    #expect(applied.indices.filter { applied[..<$0].contains(applied[$0]) } == [])
  }

  @Test(arguments: 0..<23)
  func `all is taken back when change n is refused, the lease through the link`(n: Int) throws {
    let fixture = try Fixture()
    let ipam = LinkIPAM(on: fixture.kernel)
    let before = fixture.kernel.state
    fixture.kernel.changesBeforeRefusal = n
    #expect(throws: CNIError.self) { try add(fixture, ipam, json()) }
    #expect(fixture.kernel.state == before)
    #expect(try fixture.kernel.filter.ruleSets(of: fixture.owner.network) == [])
    #expect([[], [.add, .del]].contains(ipam.commands))
    #expect(ipam.found.allSatisfy { $0.linkIsUp == true })
  }

  @Test func `there are as many changes as the sweep refuses, before and after the request`() throws {
    let fixture = try Fixture()
    let ipam = LinkIPAM(on: fixture.kernel)
    ipam.refusals[.add] = CNIError(.ioFailure, "no offer")
    fixture.kernel.changesBeforeRefusal = 1000
    #expect(throws: CNIError.self) { try add(fixture, ipam, json()) }
    let second = try Fixture()
    _ = try add(second, LinkIPAM(on: second.kernel), json())
    #expect(second.kernel.applied.count == 24)
    #expect((5..<17).contains(fixture.kernel.applied.count - 1))
  }

  @Test func `its refusal is passed on, and all is taken back`() throws {
    let fixture = try Fixture()
    let ipam = LinkIPAM(on: fixture.kernel)
    let before = fixture.kernel.state
    ipam.refusals[.add] = CNIError(.ioFailure, "no offer")
    ipam.refusals[.del] = CNIError(.ioFailure, "no daemon")
    #expect(throws: CNIError(.ioFailure, "no offer")) { try add(fixture, ipam, json()) }
    #expect(fixture.kernel.state == before)
    #expect(ipam.commands == [.add, .del])
    #expect(ipam.found.allSatisfy { $0.linkIsUp == true })
  }

  @Test func `an answer that nobody takes is taken back`() throws {
    let fixture = try Fixture()
    let ipam = LinkIPAM(on: fixture.kernel)
    let before = fixture.kernel.state
    #expect(throws: CNIError(.ioFailure, "closed")) {
      try add(fixture, ipam, json()) { (_) throws(CNIError) in throw CNIError(.ioFailure, "closed") }
    }
    #expect(fixture.kernel.state == before)
    #expect(ipam.commands == [.add, .del])
  }

  @Test func `a second ADD is refused before it is asked`() throws {
    let fixture = try Fixture()
    let ipam = LinkIPAM(on: fixture.kernel)
    _ = try add(fixture, ipam, json())
    let before = fixture.kernel.state
    #expect {
      try add(fixture, ipam, json())
    } throws: {
      ($0 as? CNIError)?.code == .alreadyAttached
    }
    #expect(fixture.kernel.state == before)
    #expect(ipam.commands == [.add])
  }

  @Test(arguments: [("dhcp", true), ("fake", nil)])
  func `on DEL it is told while there is a link, any other afterwards`(type: String, linkIsUp: Bool?) throws {
    let fixture = try Fixture()
    let ipam = LinkIPAM(type, on: fixture.kernel)
    _ = try add(fixture, ipam, json(type))
    try fixture.plugin.delete(
      Removal(owner: fixture.owner, namespacePath: "/run/netns/c1", config: nil, delegates: ipam.delegates))
    #expect(ipam.found.last?.command == .del)
    #expect(ipam.found.last?.linkIsUp == linkIsUp)
    #expect(fixture.kernel.link("eth0", on: .container) == nil)
  }

  @Test func `DEL removes everything though it refuses, and tells so`() throws {
    let fixture = try Fixture()
    let ipam = LinkIPAM(on: fixture.kernel)
    _ = try add(fixture, ipam, json())
    ipam.refusals[.del] = CNIError(.ioFailure, "no daemon")
    let removal = Removal<BridgeConfig>(
      owner: fixture.owner, namespacePath: "/run/netns/c1", config: nil, delegates: ipam.delegates)
    #expect(throws: CNIError(.ioFailure, "no daemon")) { try fixture.plugin.delete(removal) }
    #expect(fixture.kernel.link("eth0", on: .container) == nil)
    #expect(fixture.kernel.link(fixture.owner.hostInterface, on: .host) == nil)
  }

  @Test func `a MAC address cannot be made of an address that comes later`() throws {
    let fixture = try Fixture()
    let ipam = LinkIPAM(on: fixture.kernel)
    #expect {
      try add(fixture, ipam, json("dhcp", #""macFromIP": true"#))
    } throws: {
      let error = $0 as? CNIError
      return error?.code == .invalidNetworkConfig && error?.message.contains("macFromIP") == true
    }
    #expect(fixture.kernel.applied == [])
    #expect(ipam.commands == [])
  }
}
