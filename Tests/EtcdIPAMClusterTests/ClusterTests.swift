import BaseSupport
import CNI
import EtcdSupport
import LabSupport
import Testing

// Group: end-to-end

/// The built executable with real clusters: many concurrent processes, killed processes, failing members.
@Suite(.needsRoot, .serialized)
struct ClusterTests {
  private static let dual = #""ranges": [[{"subnet": "10.5.0.0/24"}], [{"subnet": "fd05::/120"}]]"#

  @Test(arguments: ["", #", "blockSize": 8"#])
  func `a hundred ADDs at once from three hosts get different addresses, and DELs release all`(blocks: String) throws {
    try Site.use { site in
      let lab = site.lab
      let networks = try (1...3).map { try site.network(Self.dual + blocks, node: "n\($0)") }
      let added = atOnce(102, workers: 16) { try lab.run(Site.call("ADD", networks[$0 % 3], "c\($0)")) }
      let outcomes = try added.map { try $0.get() }
      #expect(outcomes.filter { !$0.isSuccess }.map(\.description) == [])
      let addresses = outcomes.flatMap(\.addresses)
      #expect(addresses.count == 204)
      #expect(Set(addresses).count == 204)
      #expect(try site.leased() == Set(addresses))
      let removed = atOnce(102, workers: 16) { try lab.run(Site.call("DEL", networks[$0 % 3], "c\($0)")) }
      #expect(try removed.map { try $0.get() }.filter { !$0.isSuccess }.map(\.description) == [])
      #expect(try site.leased() == [])
      for network in networks { try lab.run(gc(network)).requireSuccess() }
      #expect(try site.entries() == [])
    }
  }

  private func gc(_ network: JSONValue) -> PluginCall {
    PluginCall(
      plugin: "ipam-etcd", command: "GC", config: network.with("cni.dev/valid-attachments", .array([])).line,
      variables: [:])
  }

  @Test func `a pool with one address too few refuses exactly one ADD`() throws {
    try Site.use(members: 1) { site in
      let lab = site.lab, network = try site.network(#""subnet": "10.5.0.0/27""#)
      let outcomes = try atOnce(30) { try lab.run(Site.call("ADD", network, "c\($0)")) }.map { try $0.get() }
      #expect(Set(outcomes.flatMap(\.addresses)).count == 29)
      #expect(outcomes.compactMap(\.code) == [102])
      let status = try site.run("STATUS", network)
      #expect(status.code == 50)
      #expect(status.complaint.contains("0 of 29 addresses free in 10.5.0.1-10.5.0.30"))
    }
  }

  @Test func `DEL removes what a killed ADD or DEL left`() throws {
    try Site.use { site in
      let network = try site.network(Self.dual)
      let other = try site.run("ADD", network, "other")
      var random = Xorshift(seed: 6), killed = 0
      for round in 0..<40 {
        let isADD = round.isMultiple(of: 2)
        if !isADD { try site.run("ADD", network).requireSuccess() }
        let outcome = try site.lab.run(
          Site.call(isADD ? "ADD" : "DEL", network, "a"), killedAfter: Int.random(in: 1...30_000, using: &random))
        if outcome.status == 137 { killed += 1 }
        #expect([0, 2].contains(try site.leased().count - other.addresses.count))
        try site.run("DEL", network).requireSuccess()
        #expect(try site.leased() == Set(other.addresses))
      }
      // If no plugin was killed, the delays do not fit the plugin and the test shows nothing.
      #expect(killed > 0)
      #expect(try site.entries().count == 3)
    }
  }

  @Test func `one lost member of three changes nothing, two lost members block all changes until they are back`() throws
  {
    try Site.use { site in
      let network = try site.network(Self.dual)
      let first = try site.run("ADD", network, "first")
      try first.requireSuccess()
      site.cluster.stop(member: 0)
      let second = try site.run("ADD", network, "second")
      try second.requireSuccess()
      site.cluster.stop(member: 1)
      for command in ["ADD", "DEL", "CHECK"] {
        let config = network.with("prevResult", try first.result())
        let outcome = try site.run(command, config, command == "ADD" ? "third" : "first")
        #expect(outcome.code == 11, "\(command): \(outcome)")
      }
      #expect(try site.run("STATUS", network).code == 50)
      for member in [0, 1] { try site.cluster.start(member: member) }
      let third = try site.run("ADD", network, "third")
      try third.requireSuccess()
      #expect(try site.leased() == Set(first.addresses + second.addresses + third.addresses))
      for container in ["first", "second", "third"] { try site.run("DEL", network, container).requireSuccess() }
      #expect(try site.entries() == [])
    }
  }

  @Test func `the addresses of a dead host are released by another host`() throws {
    try Site.use(members: 1) { site in
      let dead = try site.network(Self.dual, node: "dead")
      for container in ["a", "b"] { try site.run("ADD", dead, container).requireSuccess() }
      let kept = try site.run("ADD", try site.network(Self.dual), "a")
      try site.lab.run(gc(dead)).requireSuccess()
      #expect(try site.leased() == Set(kept.addresses))
    }
  }

  @Test func `bridge works with addresses in etcd from ADD to GC`() throws {
    try Site.use(members: 1, containers: 2) { site in
      let lab = site.lab
      let network = try site.network(Self.dual, type: "bridge").with("isDefaultGateway", .bool(true))
      let results = try (1...2).map { try lab.add(network, to: $0).result() }
      for (number, result) in zip(1...2, results) {
        #expect(try lab.addresses(of: "eth0", in: lab.container(number)).count == 2)
        try lab.check(network, result, on: number).requireSuccess()
      }
      #expect(try lab.add(network, to: 1).code == 104)
      #expect(try site.leased().count == 4)
      try lab.delete(network, from: 1).requireSuccess()
      #expect(try site.leased().count == 2)
      try lab.collectGarbage(network, keeping: []).requireSuccess()
      #expect(try site.entries() == [])
      site.cluster.stop(member: 0)
      let before = try Snapshot(of: lab)
      #expect(try lab.add(network, to: 1).code == 11)
      try lab.expectUnchanged(since: before)
    }
  }
}
