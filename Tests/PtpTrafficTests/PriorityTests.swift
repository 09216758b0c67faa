import CNI
import LabSupport
import Testing

/// A container on a bridge and on a point-to-point network.
@Suite(.needsRoot)
struct PriorityTests {
  /// The interface through which packets to the outside leave.
  private func wayOut(_ lab: Lab, _ family: Lab.IPFamilyFlag) throws -> String? {
    let outside = family == .v4 ? "192.0.2.1" : "2001:db8::1"
    return try lab.json("ip -j \(family.rawValue) route get \(outside)", in: lab.container(1)).text("0.dev")
  }

  @Test(arguments: [(1, 2, "eth1"), (2, 1, "eth0"), (-5, 99, "eth1")])
  func `the network with the highest gwPriority has the default route until its DEL`(
    bridgePriority: Int, ptpPriority: Int, winner: String
  ) throws {
    try Lab.use { lab in
      let bridge = try lab.bridge(
        #"{"isDefaultGateway": true, "gwPriority": \#(bridgePriority)}"#, subnets: ["10.77.0.0/24", "fd77::/64"])
      let ptp = try lab.ptp(#"{"gwPriority": \#(ptpPriority)}"#)
      let first = try lab.attach(bridge), second = try lab.attach(ptp, 1, as: "eth1")
      let loser = winner == "eth1" ? "eth0" : "eth1"
      for family in Lab.IPFamilyFlag.allCases { #expect(try wayOut(lab, family) == winner) }
      // Both interfaces work.
      #expect(try lab.pings("10.77.0.1", from: lab.container(1)))
      #expect(try lab.pings("10.78.0.1", from: lab.container(1)))
      #expect(try lab.complaint(bridge, first) == "")
      #expect(try lab.complaint(ptp, second, 1, as: "eth1") == "")
      try lab.detach(winner == "eth1" ? ptp : bridge, 1, as: winner)
      for family in Lab.IPFamilyFlag.allCases { #expect(try wayOut(lab, family) == loser) }
      #expect(try lab.linkNames(in: lab.container(1)) == [loser])
    }
  }
}
