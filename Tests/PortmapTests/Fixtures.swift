import CNI
import Kernel
import PacketFilter
import TestSupport
@testable import portmap

/// A container with an address of each family on a bridge of the host.
typealias Fixture = ChainFixture<PortmapDriver>

extension ChainFixture where Driver == PortmapDriver {
  init(container: ContainerID = "c1", on kernel: FakeKernel? = nil, network: NetworkName = "net") {
    let previous = AddResult(
      interfaces: [.init(name: "br0"), .init(name: "veth0"), .init(name: "eth0", sandbox: "/run/netns/c1")],
      ips: [
        .init(interface: 0, address: "10.9.0.1/24"),
        .init(interface: 2, address: "10.1.0.5/24", gateway: "10.1.0.1"), .init(interface: 2, address: "fd00:1::5/64"),
        .init(interface: 2, address: "10.1.0.6/24"),
      ])
    self.init(PortmapDriver(), after: previous, on: kernel ?? FakeKernel())
    owner = AttachmentID(network: network, container: container, interface: "eth0")
    if kernel == nil { prepare() }
  }

  private func prepare() {
    kernel.addLink("br0", on: .host, kind: "bridge")
    kernel.addLink("up0", on: .host)
    kernel.state.addresses = [
      AddressSpec("10.1.0.1/24", on: "br0", .host), AddressSpec("fd00:1::1/64", on: "br0", .host),
      AddressSpec("192.0.2.1/24", on: "up0", .host),
    ]
    kernel.state.sysctls[.host]?["net/ipv4/conf/br0/route_localnet"] = "0"
    kernel.state.sysctls[.host]?["net/ipv4/ip_local_port_range"] = "32768\t60999"
  }

  /// Runs ADD and returns its changes.
  func changes(_ json: String) throws -> [Change] {
    try add(json)
    return kernel.applied
  }

  var v4: ReturnPath { ReturnPath(subnet: "10.1.0.0/24", link: "br0") }
  var v6: ReturnPath { ReturnPath(subnet: "fd00:1::/64", link: "br0") }
}

/// `runtimeConfig` with these mappings.
func mappings(_ elements: String, _ more: String = "") -> String {
  #"{"runtimeConfig":{"portMappings":["# + elements + "]}" + (more.isEmpty ? "" : "," + more) + "}"
}
