import Kernel
import TestSupport
import Testing
@testable import portmap

/// The output of ADD with `CNI_PLAN=1`.
@Suite struct PlanTextTests {
  private let json = mappings(#"{"hostPort":53,"containerPort":53,"protocol":"udp"}"#)

  @Test func `CNI_PLAN=1 prints the rules, sysctls and conntrack commands of a portmap ADD`() throws {
    let text = try Fixture().plan(json)
    #expect(
      text == """
        # cni:net/c1/eth0: add host port 53/udp to 10.1.0.5:53
        # cni:net/c1/eth0: add host port 53/udp to [fd00:1::5]:53
        sysctl -w net.ipv4.conf.br0.route_localnet=1
        ip -6 route add local ::1 dev br0 table local || true
        conntrack -D -f ipv4 -p udp --orig-port-dst 53 || true
        conntrack -D -f ipv6 -p udp --orig-port-dst 53 || true

        """)
  }

  @Test func `the plan assumes the bridge that the previous plugin would create`() throws {
    let fixture = Fixture()
    let whole = try fixture.plan(json)
    fixture.kernel.state.links[.host] = [:]
    fixture.kernel.state.addresses = []
    #expect(try fixture.plan(json) == whole)
  }
}
