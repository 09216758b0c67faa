import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import bridge

/// An IPAM plugin that needs the link, as `dhcp` does: it records the state of the host when it is called.
private final class LinkIPAM {
  struct Observation: Equatable {
    var command: Command
    var linkIsUp: Bool?
    var mac: MACAddress?
    var hasAddresses: Bool
    var hostIsLocked: Bool
  }
  let kernel: FakeKernel
  let type: String
  var answer = FakeDelegate.bothFamilies
  var refusals: [Command: CNIError] = [:]
  var observations: [Observation] = []

  init(_ type: String = "dhcp", on kernel: FakeKernel) {
    self.type = type
    self.kernel = kernel
  }

  var commands: [Command] { observations.map(\.command) }

  var delegates: Delegates {
    Delegates(ipam: PluginType(type)) { [self] (_, command, _) throws(CNIError) in
      let link = kernel.link("eth0", on: .container)
      observations.append(
        Observation(
          command: command, linkIsUp: link?.isUp, mac: link?.mac,
          hasAddresses: kernel.state.addresses.contains { $0.interface == "eth0" }, hostIsLocked: kernel.isLocked))
      if let refusal = refusals[command] { throw refusal }
      return command == .add ? answer : nil
    }
  }
}

@Suite struct DHCPOrderTests {
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

  @Test func `the DHCP plugin runs when the interface is up and the host lock is released`() throws {
    let fixture = Fixture()
    let ipam = LinkIPAM(on: fixture.kernel)
    let result = try add(fixture, ipam, json("dhcp", #""bridge": "br0""#))
    let mac = try #require(fixture.kernel.link("eth0", on: .container)?.mac)
    #expect(
      ipam.observations == [.init(command: .add, linkIsUp: true, mac: mac, hasAddresses: false, hostIsLocked: false)])
    #expect(result.interfaces.last?.mac == mac.description)
    #expect(result.ips.map(\.address) == ["10.1.0.5/24", "fd00:1::5/64"])
  }

  /// The state after an ADD, without random values.
  private struct AttachState: Equatable {
    var addresses: [AddressSpec]
    var routes: [RouteSpec]
    var sysctls: [NetNS: [String: String]]
    var vlans: [InterfaceName: PortVLANs]
    var rules: [[Rule]]
    var links: [NetNS: [InterfaceName: LinkInfo]]

    init(_ kernel: FakeKernel, _ owner: AttachmentID) throws {
      addresses = kernel.state.addresses.sorted { $0.description < $1.description }
      routes = kernel.state.routes
      // If IPAM requests the addresses over the link, `accept_ra` keeps the kernel's value.
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
  func `ADD with DHCP has the same outcome as with other IPAM plugins and makes no change twice`(keys: String) throws {
    let other = Fixture(), fixture = Fixture()
    let expected = try add(other, LinkIPAM("fake", on: other.kernel), json("fake", keys))
    let result = try add(fixture, LinkIPAM(on: fixture.kernel), json("dhcp", keys))
    #expect(try AttachState(fixture.kernel, fixture.owner) == AttachState(other.kernel, other.owner))
    #expect(result.ips == expected.ips)
    #expect(result.routes == expected.routes)
    let applied = fixture.kernel.applied
    #expect(applied.indices.filter { applied[..<$0].contains(applied[$0]) } == [])
  }

  @Test(arguments: 0..<23)
  func `ADD with DHCP rolls back if change n is refused, and releases the lease through the link`(n: Int) throws {
    let fixture = Fixture()
    let ipam = LinkIPAM(on: fixture.kernel)
    let before = fixture.kernel.state
    fixture.kernel.changesBeforeRefusal = n
    #expect(throws: CNIError.self) { try add(fixture, ipam, json()) }
    #expect(fixture.kernel.state == before)
    #expect(try fixture.kernel.filter.ruleSets(of: fixture.owner.network) == [])
    #expect([[], [.add, .del]].contains(ipam.commands))
    #expect(ipam.observations.allSatisfy { $0.linkIsUp == true })
  }

  @Test func `the fault sweep covers the changes before and after the DHCP request`() throws {
    let fixture = Fixture()
    let ipam = LinkIPAM(on: fixture.kernel)
    ipam.refusals[.add] = CNIError(.ioFailure, "no offer")
    fixture.kernel.changesBeforeRefusal = 1000
    #expect(throws: CNIError.self) { try add(fixture, ipam, json()) }
    let second = Fixture()
    _ = try add(second, LinkIPAM(on: second.kernel), json())
    #expect(second.kernel.applied.count == 24)
    #expect((5..<17).contains(fixture.kernel.applied.count - 1))
  }

  @Test func `ADD reports the DHCP plugin's error and rolls back`() throws {
    let fixture = Fixture()
    let ipam = LinkIPAM(on: fixture.kernel)
    let before = fixture.kernel.state
    ipam.refusals[.add] = CNIError(.ioFailure, "no offer")
    ipam.refusals[.del] = CNIError(.ioFailure, "no daemon")
    #expect(throws: CNIError(.ioFailure, "no offer")) { try add(fixture, ipam, json()) }
    #expect(fixture.kernel.state == before)
    #expect(ipam.commands == [.add, .del])
    #expect(ipam.observations.allSatisfy { $0.linkIsUp == true })
  }

  @Test func `ADD with DHCP rolls back if the result cannot be written`() throws {
    let fixture = Fixture()
    let ipam = LinkIPAM(on: fixture.kernel)
    let before = fixture.kernel.state
    #expect(throws: CNIError(.ioFailure, "closed")) {
      try add(fixture, ipam, json()) { (_) throws(CNIError) in throw CNIError(.ioFailure, "closed") }
    }
    #expect(fixture.kernel.state == before)
    #expect(ipam.commands == [.add, .del])
  }

  @Test func `a second ADD is refused before the DHCP plugin runs`() throws {
    let fixture = Fixture()
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
  func `DEL runs the DHCP plugin before it removes the link, and other IPAM plugins after`(
    type: String, linkIsUp: Bool?
  ) throws {
    let fixture = Fixture()
    let ipam = LinkIPAM(type, on: fixture.kernel)
    _ = try add(fixture, ipam, json(type))
    try fixture.plugin.delete(
      Removal(owner: fixture.owner, namespacePath: "/run/netns/c1", config: nil, delegates: ipam.delegates))
    #expect(ipam.observations.last?.command == .del)
    #expect(ipam.observations.last?.linkIsUp == linkIsUp)
    #expect(fixture.kernel.link("eth0", on: .container) == nil)
  }

  @Test func `DEL removes everything and reports the error if the DHCP plugin fails`() throws {
    let fixture = Fixture()
    let ipam = LinkIPAM(on: fixture.kernel)
    _ = try add(fixture, ipam, json())
    ipam.refusals[.del] = CNIError(.ioFailure, "no daemon")
    let removal = Removal<BridgeConfig>(
      owner: fixture.owner, namespacePath: "/run/netns/c1", config: nil, delegates: ipam.delegates)
    #expect(throws: CNIError(.ioFailure, "no daemon")) { try fixture.plugin.delete(removal) }
    #expect(fixture.kernel.link("eth0", on: .container) == nil)
    #expect(fixture.kernel.link(fixture.owner.hostInterface, on: .host) == nil)
  }

  @Test func `macFromIP with DHCP is refused`() throws {
    let fixture = Fixture()
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
