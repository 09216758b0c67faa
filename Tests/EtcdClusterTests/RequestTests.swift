import CNI
import Etcd
import EtcdClient
import EtcdSupport
import LabSupport
import Testing

@Suite(.needsRoot) struct `A cluster with one member` {
  private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  @Test func `pairs are stored, found and deleted`() throws {
    try EtcdCluster.use(members: 1) { cluster in
      var store = EtcdClient(cluster.config)
      #expect(try store.read(.prefixed("")).pairs == [])
      let made = try store.transact(
        EtcdTransaction([
          .put("/net/b", bytes("ü\u{0}\n"), lease: nil), .put("/net/a", [], lease: nil),
          .put("/neu", [0, 255], lease: nil), .read(.prefixed("/net/")), .read(.one("/nobody")),
        ]))
      let pairs = [
        EtcdPair("/net/a", [], modified: made.revision), EtcdPair("/net/b", bytes("ü\u{0}\n"), modified: made.revision),
      ]
      #expect(
        made == EtcdOutcome(isSuccess: true, readResults: [pairs, []], revision: made.revision, cluster: made.cluster))
      #expect(made.cluster != "")
      #expect(try store.read(.prefixed("/net/")) == EtcdPairs(pairs, revision: made.revision))
      #expect(try store.read(.one("/neu")).pairs.map(\.value) == [[0, 255]])
      #expect(try store.read(.prefixed("")).pairs.map(\.key) == ["/net/a", "/net/b", "/neu"])
      _ = try store.transact(EtcdTransaction([.delete(.prefixed("/net/"))]))
      #expect(try store.read(.prefixed("")).pairs.map(\.key) == ["/neu"])
    }
  }

  @Test func `a transaction runs its operations if the conditions hold, else the alternative ones`() throws {
    try EtcdCluster.use(members: 1) { cluster in
      var store = EtcdClient(cluster.config)
      let first = try store.transact(EtcdTransaction([.put("/a", bytes("1"), lease: nil)])).revision
      let cases: [(EtcdTransaction.Condition, Bool)] = [
        (.isAbsent("/a"), false), (.isAbsent("/b"), true), (.isPresent("/a"), true), (.isPresent("/b"), false),
        (.isUnchanged("/a", since: first), true), (.isUnchanged("/a", since: first - 1), false),
        (.hasValue("/a", bytes("1")), true), (.hasValue("/a", bytes("2")), false), (.hasValue("/b", []), false),
      ]
      for (condition, holds) in cases {
        let outcome = try store.transact(EtcdTransaction(where: [condition], [], otherwise: [.read(.one("/a"))]))
        #expect(outcome.isSuccess == holds, "\(condition)")
        #expect(outcome.readResults == (holds ? [] : [[EtcdPair("/a", bytes("1"), modified: first)]]), "\(condition)")
      }
    }
  }

  @Test func `a read of many pairs returns all of them at one revision`() throws {
    try EtcdCluster.use(members: 1) { cluster in
      var store = EtcdClient(cluster.config)
      // More data than one answer of the gateway, or one page, can hold.
      let value = [UInt8](repeating: 7, count: 1500)
      for start in stride(from: 10_000, to: 15_000, by: 125) {
        let puts = (start..<start + 125).map { EtcdTransaction.Operation.put("/many/\($0)", value, lease: nil) }
        _ = try store.transact(EtcdTransaction(puts))
      }
      let all = try store.read(.prefixed("/many/"))
      #expect(all.pairs.map(\.key) == (10_000..<15_000).map { "/many/\($0)" })
      #expect(all.pairs.allSatisfy { $0.value == value && $0.modified <= all.revision })
    }
  }

  @Test func `a key on an etcd lease stays as long as the lease is renewed`() throws {
    try EtcdCluster.use(members: 1) { cluster in
      var store = EtcdClient(cluster.config)
      let lease = try store.grantLease(seconds: 600)
      let made = try store.transact(EtcdTransaction([.put("/a", bytes("1"), lease: lease)]))
      #expect(
        try store.read(.one("/a")).pairs == [EtcdPair("/a", bytes("1"), modified: made.revision, lease: lease)])
      #expect(try store.keepAlive(lease) == 600)
      try store.revoke(lease)
      #expect(try store.read(.one("/a")).pairs == [])
      #expect(try store.keepAlive(lease) == nil)
      try store.revoke(lease)
      let error = #expect(throws: CNIError.self) {
        try store.transact(EtcdTransaction([.put("/a", [], lease: lease)]))
      }
      #expect(error?.code == .tryAgainLater)
      #expect(error?.message.contains("change /a: etcdserver: requested lease not found") == true)
    }
  }

  @Test func `a refusal has etcd's own error text`() throws {
    try EtcdCluster.use(members: 1) { cluster in
      var store = EtcdClient(cluster.config)
      let twice = EtcdTransaction([.put("/a", [], lease: nil), .put("/a", [], lease: nil)])
      let error = #expect(throws: CNIError.self) { try store.transact(twice) }
      #expect(
        error
          == CNIError(
            .etcdRefused,
            "etcd at \(cluster.endpoint(0)): change /a: etcdserver: duplicate key given in txn request"))
    }
  }

  @Test func `an endpoint without the JSON gateway is refused`() throws {
    try EtcdCluster.use(members: 1) { cluster in
      // This is the port for etcd's peers, not for clients.
      let other = cluster.endpoint(0).replacing(":2379", with: ":2380")
      var store = EtcdClient(EtcdConfig(endpoints: [other]))
      let error = #expect(throws: CNIError.self) { try store.read(.one("/a")) }
      #expect(
        error
          == CNIError(
            .etcdRefused, "etcd at \(other): read /a: HTTP status 404: want the JSON gateway of etcd 3.4 or later"))
    }
  }
}
