import CNI
import Etcd
import EtcdClient
import EtcdSupport
import LabSupport
import Testing

@Suite(.needsRoot) struct `A cluster with three members` {
  private func put(_ key: String, if condition: EtcdTransaction.Condition? = nil) -> EtcdTransaction {
    EtcdTransaction(
      where: condition.map { [$0] } ?? [], [.put(key, [1], lease: nil)], otherwise: [.read(.one(key))])
  }

  @Test func `the cluster answers without its leader, not without two members, and again with two`() throws {
    try EtcdCluster.use { cluster in
      var store = EtcdClient(cluster.config)
      _ = try store.transact(put("/a"))
      let leader = try #require(cluster.leader)
      cluster.stop(member: leader)
      _ = try store.transact(put("/b"))
      #expect(try store.read(.prefixed("/")).pairs.map(\.key) == ["/a", "/b"])

      let next = try #require((0..<3).first { $0 != leader })
      cluster.stop(member: next)
      let silence = CNIError.Code.tryAgainLater
      // Run twice: the second attempt has a shorter time limit.
      for _ in 0..<2 {
        let error = #expect(throws: CNIError.self) { try store.read(.one("/a")) }
        #expect(error?.code == silence)
        #expect(
          error?.message.hasPrefix("etcd at \(cluster.endpoints.joined(separator: ", ")): read /a: ") == true,
          "\(error?.message ?? "")")
      }
      var other = EtcdClient(cluster.config)
      #expect(throws: CNIError.self) { try other.transact(self.put("/c", if: .isAbsent("/c"))) }
      #expect(throws: CNIError.self) { try other.grantLease(seconds: 10) }
      let mute = #expect(throws: CNIError.self) {
        try other.watch([.prefixed("/")], from: 1, seconds: 60) { _ in true }
      }
      #expect(mute?.code == silence, "\(mute?.message ?? "")")

      try cluster.start(member: next)
      _ = try store.transact(put("/d"))
      // The transaction without an answer may have been made later, but only once.
      let again = try other.transact(put("/c", if: .isAbsent("/c")))
      #expect(again.isSuccess || again.readResults[0].map(\.value) == [[1]])
      #expect(try store.read(.prefixed("/")).pairs.map(\.key) == ["/a", "/b", "/c", "/d"])
    }
  }

  @Test func `the client uses another member if one hangs`() throws {
    try EtcdCluster.use { cluster in
      let follower = try #require((0..<3).first { $0 != cluster.leader })
      cluster.freeze(member: follower)
      var config = cluster.config
      config.endpoints.swapAt(0, follower)
      var store = EtcdClient(config)
      _ = try store.transact(put("/a"))
      var count = 0
      var other = EtcdClient(config)
      try other.watch([.one("/a")], from: 1, seconds: 60) { events in
        count += events.events.count
        return false
      }
      // On a busy machine a member may answer too late; then the client repeats the put at the next member.
      #expect([1, 2].contains(count))
      cluster.thaw(member: follower)
    }
  }

  @Test func `a watch ends if the quorum is lost`() throws {
    try EtcdCluster.use { cluster in
      var store = EtcdClient(cluster.config)
      _ = try store.transact(put("/a"))
      let error = #expect(throws: CNIError.self) {
        try store.watch([.one("/a")], from: 1, seconds: 60) { _ in
          cluster.stop(member: 1)
          cluster.stop(member: 2)
          return true
        }
      }
      #expect(error?.code == .tryAgainLater)
    }
  }

  @Test func `the client does not wait for a member that refuses the connection`() throws {
    try EtcdCluster.use(members: 1) { cluster in
      cluster.stop(member: 0)
      var store = EtcdClient(cluster.config)
      let error = #expect(throws: CNIError.self) { try store.read(.one("/a")) }
      #expect(error?.code == .tryAgainLater)
      #expect(error?.message.contains("refused") == true || error?.message.contains("connect") == true)
    }
  }
}
