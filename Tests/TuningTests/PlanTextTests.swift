import Foundation
import Kernel
import TestSupport
import Testing
@testable import tuning

/// The output of ADD with `CNI_PLAN=1`.
@Suite struct PlanTextTests {
  @Test func `CNI_PLAN=1 needs no interface and writes no backup`() throws {
    try Fixture.use { fixture in
      fixture.kernel.state.links[.container] = [:]
      fixture.kernel.state.sysctls[.container] = [:]
      let plan = try fixture.plan(
        #"{"mtu":1400,"promisc":true,"sysctl":{"net.ipv4.conf.IFNAME.arp_notify":"1"}}"#)
      #expect(!FileManager.default.fileExists(atPath: fixture.dataDir))
      #expect(
        plan == """
          ip -n c1 link set dev eth0 mtu 1400
          nsenter --net=/run/netns/c1 sysctl -w net.ipv4.conf.eth0.arp_notify=1
          ip -n c1 link set dev eth0 promisc on

          """)
    }
  }
}
