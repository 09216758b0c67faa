import CNI
import Kernel
import NetTypes
import TestSupport
@testable import ptp

/// An attachment with addresses of both families, the IPv4 one without a gateway.
typealias Fixture = LinkFixture<PTPDriver>

extension LinkFixture where Driver == PTPDriver {
  init() {
    let answer = AddResult(
      ips: [.init(address: "10.1.0.5/24"), .init(address: "fd00:1::5/64", gateway: "fd00:1::1")],
      routes: [Route(dst: "0.0.0.0/0")])
    self.init(PTPDriver(), ipam: FakeDelegate(answer), peerNamespace: \.peerNamespace)
  }

  func names(on netns: NetNS) -> [String] {
    kernel.allLinks(on: netns).map(\.name.description).sorted()
  }
}
