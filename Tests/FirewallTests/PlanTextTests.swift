import CNI
import Kernel
import TestSupport
import Testing
@testable import PluginKit
@testable import firewall

extension FirewallTests {
  @Test func `a plan of firewall lists the rules and adds none`() throws {
    kernel.state.links[.host] = [:]
    var call = try call("{}", previous: previous)
    let plan = PlanOutput()
    call.plan = plan
    try plugin.add(call) { _ in }
    #expect(kernel.applied.isEmpty)
    #expect(
      planText(plan.lines) == """
        # cni:net/c1/eth0: add admission of 10.1.0.5
        # cni:net/c1/eth0: add admission of fd00:1::5

        """)
  }
}
