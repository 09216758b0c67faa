import CNI
import EVPNSupport
import LabSupport
import Testing

/// The example's configuration of FRR.
@Suite(.needsRoot) struct RouterTests {
  @Test func `FRR accepts every line, and each host has a session with both route reflectors`() throws {
    try Fabric.use(hosts: 4, containers: 0) { fabric in
      for (index, router) in fabric.routers.enumerated() {
        #expect(try router.lab.shell("cat /run/frr/loading", in: router.lab.host) == "")
        let wanted = index < 2 ? 3 : 2
        try eventually("host \(index) has \(wanted) neighbours") { try router.neighbourCount() == wanted }
      }
    }
  }
}
