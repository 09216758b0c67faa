import CNI
import Kernel
import TestSupport
import Testing
@testable import PluginKit
@testable import portmap

/// The output of ADD with `CNI_PLAN=1`.
@Suite struct PlanTextTests {
  private func plan(_ fixture: Fixture) throws -> String {
    var call = try fixture.call(mappings(#"{"hostPort":53,"containerPort":53,"protocol":"udp"}"#))
    let plan = PlanOutput()
    call.plan = plan
    try fixture.plugin.add(call) { _ in }
    #expect(fixture.kernel.applied.isEmpty)
    return planText(plan.lines)
  }

  @Test func `CNI_PLAN=1 prints the rules, sysctls and conntrack commands of a portmap ADD`() throws {
    let text = try plan(Fixture())
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
    let fixture = try Fixture()
    let whole = try plan(fixture)
    fixture.kernel.state.links[.host] = [:]
    fixture.kernel.state.addresses = []
    #expect(try plan(fixture) == whole)
  }
}
