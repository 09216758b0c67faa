import CNI
import Etcd
import EtcdSupport
import Testing

@Suite struct `The fake etcd` {
  private func create(_ key: String, _ text: String, lease: EtcdLease? = nil) -> EtcdTransaction {
    EtcdTransaction(
      where: [.isAbsent(key)], [.put(key, Array(text.utf8), lease: lease)], otherwise: [.read(.one(key))])
  }

  @Test func `one of two transactions succeeds, and the other gets the key's current value`() throws {
    var one = FakeEtcd()
    var other = one
    #expect(try one.transact(create("/a", "one")) == EtcdOutcome(isSuccess: true, revision: 2, cluster: "1"))
    let held = EtcdPair("/a", Array("one".utf8), modified: 2)
    #expect(
      try other.transact(create("/a", "other"))
        == EtcdOutcome(isSuccess: false, readResults: [[held]], revision: 2, cluster: "1"))
  }

  @Test func `the fake etcd can carry out a request and lose the answer`() throws {
    var store = FakeEtcd()
    store.next(.answerLost, .noQuorum)
    #expect(throws: CNIError.self) { try store.transact(self.create("/a", "one")) }
    #expect(throws: CNIError.self) { try store.transact(self.create("/b", "two")) }
    #expect(store.texts == ["/a": "one"])
  }

  @Test func `an expired etcd lease deletes its keys`() throws {
    var store = FakeEtcd()
    let lease = try store.grantLease(seconds: 10)
    _ = try store.transact(create("/a", "one", lease: lease))
    store.pass(seconds: 9)
    #expect(try store.keepAlive(lease) == 10)
    store.pass(seconds: 9)
    #expect(store.texts == ["/a": "one"])
    store.pass(seconds: 1)
    #expect(try store.keepAlive(lease) == nil)
    #expect(store.texts == [:])
    #expect(throws: CNIError.self) { try store.transact(self.create("/a", "one", lease: lease)) }
  }

  @Test func `a watch reports past events, later ones and compaction`() throws {
    var store = FakeEtcd()
    try store.put("/a", "1")
    try store.put("/b", "2")
    store.next(.rival(EtcdTransaction([.delete(.one("/a"))])))
    var received: [EtcdEvents] = []
    try store.watch([.one("/a")], from: 1, seconds: 5) { (events) in
      received.append(events)
      return true
    }
    let put = EtcdPair("/a", Array("1".utf8), modified: 2)
    #expect(
      received == [
        EtcdEvents([.put(put)], revision: 2, revisions: [2]), EtcdEvents([.deleted("/a")], revision: 4, revisions: [4]),
      ])
    store.compact()
    received = []
    try store.watch([.one("/a")], from: 3, seconds: 5) { (events) in
      received.append(events)
      return true
    }
    #expect(received == [EtcdEvents([], revision: 4, isCompacted: true)])
  }

  @Test func `the fake etcd refuses what etcd refuses`() {
    var store = FakeEtcd()
    let many = (0...128).map { EtcdTransaction.Operation.put("/\($0)", [], lease: nil) }
    #expect(throws: CNIError.self) { try store.transact(EtcdTransaction(many)) }
    #expect(throws: CNIError.self) {
      try store.transact(EtcdTransaction([.put("/a", [], lease: nil), .delete(.prefixed("/"))]))
    }
    #expect(store.texts == [:])
  }
}
