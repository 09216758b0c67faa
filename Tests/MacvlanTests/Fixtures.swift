import CNI
import Kernel
import NetTypes
import TestSupport
@testable import macvlan

/// An attachment over up0, a link of the host with addresses of both families.
typealias Fixture = LinkFixture<MacvlanDriver>

extension LinkFixture where Driver == MacvlanDriver {
  static var hostAddresses: [IPPrefix] { ["10.1.0.1/24", "fd00:1::1/64"] }

  init(hostAddresses: [IPPrefix] = Fixture.hostAddresses) {
    let answer = AddResult(
      ips: [
        .init(address: "10.1.0.5/24", gateway: "10.1.0.254"), .init(address: "fd00:1::5/64", gateway: "fd00:1::fe"),
      ],
      routes: [Route(dst: "0.0.0.0/0"), Route(dst: "::/0", priority: 7)])
    self.init(MacvlanDriver(), ipam: FakeDelegate(answer))
    kernel.addLink("up0", on: .host)
    kernel.state.links[.host]?["up0"]?.isUp = true
    kernel.uplink = "up0"
    kernel.state.sysctls[.host]?["net/ipv6/conf/up0/accept_ra"] = "1"
    kernel.state.addresses = hostAddresses.map { AddressSpec($0, on: "up0", .host) }
  }

  var link: InterfaceName { AttachmentID.hostMacvlan(owner.network) }

  /// The ID of another attachment to the same network; the fake has one container, which stands for both.
  func other() -> Fixture {
    var other = self
    other.owner = AttachmentID(network: owner.network, container: "c2", interface: "eth1")
    return other
  }
}
