import CNI
import Kernel
import PacketFilter
import TestSupport
@testable import firewall

/// A container with an address of each family on a bridge of the host.
typealias Fixture = ChainFixture<FirewallDriver>

extension ChainFixture where Driver == FirewallDriver {
  init() {
    let previous = AddResult(
      interfaces: [.init(name: "cni0"), .init(name: "veth1"), .init(name: "eth0", sandbox: "/run/netns/c1")],
      ips: [.init(interface: 2, address: "10.1.0.5/24"), .init(interface: 2, address: "fd00:1::5/64")])
    self.init(FirewallDriver(), after: previous)
    kernel.addLink("cni0", on: .host, kind: "bridge")
    kernel.addLink("veth1", on: .host, kind: "veth")
    kernel.state.links[.host]?["veth1"]?.port = BridgePort(hairpin: false, isolated: false)
  }

  var rules: [Rule] { get throws { try kernel.filter.ruleSet(of: owner, .firewall)?.rules ?? [] } }

  /// The admissions of both addresses, with their networks for rules in the host's own chains.
  func admissions(_ chain: String?) -> [Rule] {
    [
      .admit(Admission("10.1.0.5", adminChain: chain, network: .init("cni0", "10.1.0.0/24"))),
      .admit(Admission("fd00:1::5", adminChain: chain, network: .init("cni0", "fd00:1::/64"))),
    ]
  }
}
