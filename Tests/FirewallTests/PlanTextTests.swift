import Kernel
import TestSupport
import Testing
@testable import firewall

extension FirewallTests {
  @Test func `a plan of firewall lists the rules and adds none`() throws {
    let fixture = Fixture()
    fixture.kernel.state.links[.host] = [:]
    #expect(
      try fixture.plan("{}") == """
        # cni:net/c1/eth0: add admission of 10.1.0.5
        # cni:net/c1/eth0: add admission of fd00:1::5

        """)
  }
}
