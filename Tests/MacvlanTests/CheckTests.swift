import CNI
import Kernel
import NetTypes
import PluginKit
import TestSupport
import Testing
@testable import macvlan

@Suite struct CheckTests {
  static let json = LifeTests.json

  private func attached() throws -> (Fixture, AddResult) {
    let fixture = Fixture()
    return (fixture, try fixture.add(Self.json))
  }

  @Test func `CHECK reports no difference after ADD and calls IPAM CHECK`() throws {
    let (fixture, result) = try attached()
    #expect(try fixture.complaint(Self.json, result) == "")
    #expect(fixture.ipam.calls == [.add, .check])
  }

  /// A change after ADD; `LINK` stands for the host's link.
  struct Damage: CustomTestStringConvertible {
    var complaint: String
    var make: @Sendable (inout FakeKernel.State, InterfaceName) -> Void
    var testDescription: String { complaint }
    init(_ complaint: String, _ make: @escaping @Sendable (inout FakeKernel.State, InterfaceName) -> Void) {
      self.complaint = complaint
      self.make = make
    }
  }

  static let damages = [
    Damage("container link eth0 is missing") { state, _ in state.links[.container]?["eth0"] = nil },
    Damage("container link eth0 is dummy, want macvlan") { state, _ in state.links[.container]?["eth0"]?.kind = "dummy"
    },
    Damage("container link eth0 is macvlan vepa, want macvlan bridge") { state, _ in
      state.links[.container]?["eth0"]?.childKind = .macvlan(Macvlan(.vepa))
    },
    Damage("container link eth0 does not have the parent up0") { state, _ in
      state.links[.container]?["eth0"]?.parentIndex = 99
    },
    Damage("container link eth0 has state up false, want true") { state, _ in
      state.links[.container]?["eth0"]?.isUp = false
    },
    Damage("container link eth0 has alias cni:other/c1/eth0, want cni:net/c1/eth0") { state, _ in
      state.links[.container]?["eth0"]?.alias = "cni:other/c1/eth0"
    },
    Damage("container link eth0 has MTU 1300, want 1400") { state, _ in state.links[.container]?["eth0"]?.mtu = 1300 },
    Damage("container link eth0 has MAC 02:00:00:00:00:99") { state, _ in
      state.links[.container]?["eth0"]?.mac = "02:00:00:00:00:99"
    },
    Damage("container link lo has state up false, want true") { state, _ in
      state.links[.container]?["lo"]?.isUp = false
    },
    Damage("container sysctl net/ipv6/conf/eth0/disable_ipv6 is 1, want 0") { state, _ in
      state.sysctls[.container]?["net/ipv6/conf/eth0/disable_ipv6"] = "1"
    },
    Damage("container address 10.1.0.5/24 is missing on eth0") { state, _ in
      state.addresses.removeAll { $0.prefix == "10.1.0.5/24" }
    },
    Damage("container address fd00:1::5/64 is missing on eth0") { state, _ in
      state.addresses.removeAll { $0.prefix == "fd00:1::5/64" }
    },
    Damage("container route 0.0.0.0/0 via 10.1.0.254 on eth0 is missing") { state, _ in
      state.routes.removeAll { $0.dst == "0.0.0.0/0" }
    },
    Damage("container route ::/0 via fd00:1::fe on eth0 is missing") { state, _ in
      for index in state.routes.indices where state.routes[index].dst == "::/0" {
        state.routes[index].gateway = "fd00:1::fd"
      }
    },
    Damage("container route fd00:1::1/128 via fe80:") { state, _ in
      state.routes.removeAll { $0.dst == "fd00:1::1/128" }
    },
    Damage("host link LINK is missing") { state, name in state.links[.host]?[name] = nil },
    Damage("host link LINK is macvlan private, want macvlan bridge") { state, name in
      state.links[.host]?[name]?.childKind = .macvlan(Macvlan(.private))
    },
    Damage("host link LINK has state up false, want true") { state, name in state.links[.host]?[name]?.isUp = false },
    Damage("host link LINK has alias none, want cni:net/") { state, name in state.links[.host]?[name]?.alias = nil },
    Damage("host sysctl net/ipv4/conf/LINK/arp_filter is 0, want 1") { state, name in
      state.sysctls[.host]?["net/ipv4/conf/\(name)/arp_filter"] = "0"
    },
    Damage("host sysctl net/ipv4/conf/LINK/arp_ignore is 1, want 0") { state, name in
      state.sysctls[.host]?["net/ipv4/conf/\(name)/arp_ignore"] = "1"
    },
    Damage("host sysctl net/ipv4/conf/LINK/rp_filter is 2, want 1") { state, name in
      state.sysctls[.host]?["net/ipv4/conf/\(name)/rp_filter"] = "2"
    },
    Damage("host sysctl net/ipv6/conf/LINK/addr_gen_mode is 2, want 0") { state, name in
      state.sysctls[.host]?["net/ipv6/conf/\(name)/addr_gen_mode"] = "2"
    },
    Damage("host sysctl net/ipv6/conf/LINK/disable_ipv6 is 1, want 0") { state, name in
      state.sysctls[.host]?["net/ipv6/conf/\(name)/disable_ipv6"] = "1"
    },
    Damage("host route 10.1.0.5/32 on LINK is missing") { state, _ in
      for index in state.routes.indices where state.routes[index].dst == "10.1.0.5/32" {
        state.routes[index].source = "10.1.0.2"
      }
    },
    Damage("host route fd00:1::5/128 on LINK is missing") { state, _ in
      for index in state.routes.indices where state.routes[index].dst == "fd00:1::5/128" {
        state.routes[index].priority = 5
      }
    },
  ]

  @Test(arguments: damages)
  func `CHECK reports each difference from the state after ADD`(damage: Damage) throws {
    let (fixture, result) = try attached()
    damage.make(&fixture.kernel.state, fixture.link)
    let message = try fixture.complaint(Self.json, result)
    let wanted = damage.complaint.split(separator: "LINK", omittingEmptySubsequences: false)
      .joined(separator: fixture.link.description)
    #expect(message.contains(wanted))
  }
}
