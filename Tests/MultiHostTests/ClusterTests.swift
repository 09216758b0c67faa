import LabSupport
import Testing

/// Tests of the cluster itself, which the other tests use.
@Suite(.needsRoot) struct ClusterTests {
  @Test func `hosts reach each other until a host dies`() throws {
    try Cluster.use(hosts: 3, containers: 1) { cluster in
      func heard() throws -> [Bool] {
        let wanted = (1...2).flatMap { index in Lab.IPFamilyFlag.allCases.map { cluster.underlay(index, $0) } }
        return try cluster.answers(
          to: wanted.map { Probe(from: cluster.hosts[0].host, to: $0, .ping, 0, patience: 1) }
        ).map { if case .by = $0 { true } else { false } }
      }
      #expect(try heard() == [true, true, true, true])
      try cluster.setLink(of: 1, up: false)
      #expect(try heard() == [false, false, true, true])
      try cluster.setLink(of: 1, up: true)
      #expect(try heard() == [true, true, true, true])
      try cluster.kill(2)
      #expect(try heard() == [true, true, false, false])
      #expect(try cluster.hosts[0].linkNames(in: cluster.fabric) == ["br0", "p0", "p1"])
    }
  }

  @Test func `each host has its own state directories`() throws {
    try Cluster.use(hosts: 2, containers: 1) { cluster in
      try cluster.hosts[0].shell("echo mine > /run/cni/here", in: cluster.hosts[0].host)
      #expect(try cluster.hosts.map { try $0.shell("ls /run/cni", in: $0.host) } == ["here\n", ""])
    }
  }
}
