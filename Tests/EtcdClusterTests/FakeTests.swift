import CNI
import Etcd
import EtcdClient
import EtcdSupport
import LabSupport
import Testing

@Suite(.needsRoot) struct `The fake etcd` {
  @Test func `the fake etcd answers as a real one does`() throws {
    var fake = FakeEtcd()
    let inMemory = try transcript(of: &fake)
    let real = try EtcdCluster.use(members: 1) { cluster in
      var store = EtcdClient(cluster.config)
      return try transcript(of: &store)
    }
    #expect(inMemory == real)
    #expect(Set(inMemory).count > 12)
  }

  private typealias Operation = EtcdTransaction.Operation

  private var transactions: [EtcdTransaction] {
    let one = Operation.put("/a/1", [1], lease: nil), two = Operation.put("/a/2", [2], lease: nil)
    let all = Operation.read(.prefixed("/a/"))
    let many = (0...128).map { Operation.put("/many/\($0)", [], lease: nil) }
    return [
      EtcdTransaction([one, two, all, .read(.one("/a/1")), .read(.one("/none"))]),
      EtcdTransaction(where: [.isAbsent("/a/1")], [one], otherwise: [all]),
      EtcdTransaction(where: [.isPresent("/a/1"), .hasValue("/a/1", [1])], [two, all], otherwise: [one]),
      EtcdTransaction(where: [.hasValue("/none", [])], [one]),
      EtcdTransaction(where: [.isUnchanged("/none", since: 0)], []),
      EtcdTransaction([.delete(.one("/none"))]), EtcdTransaction([one, one]),
      EtcdTransaction([one, .delete(.prefixed("/a/"))]),
      EtcdTransaction([.delete(.one("/a/1")), .delete(.one("/a/1"))]),
      EtcdTransaction(where: [.isPresent("/none")], [one, one], otherwise: []), EtcdTransaction(many),
      EtcdTransaction([.readChanges(.prefixed("/a/"), since: 0), .readChanges(.prefixed("/a/"), since: .max - 1)]),
      EtcdTransaction([]), EtcdTransaction([all, .delete(.prefixed("/a/")), all]),
      EtcdTransaction([.put("/a/3", [], lease: EtcdLease(id: 77))]),
    ]
  }

  /// The answers of a store to the same requests, with revisions relative to its first.
  private func transcript<Store: EtcdStore & ~Copyable>(of store: inout Store) throws -> [String] {
    var lines: [String] = []
    let first = try store.read(.prefixed("")).revision
    for transaction in transactions { lines.append(outcome(of: transaction, from: first, in: &store)) }
    let lease = try store.grantLease(seconds: 1)
    lines.append("lease of \(try store.keepAlive(lease) ?? 0) s")
    lines.append(outcome(of: EtcdTransaction([.put("/l", [], lease: lease)]), from: first, in: &store))
    lines.append("\(try store.read(.one("/l")).pairs.map { $0.lease == lease })")
    try store.revoke(lease)
    try store.revoke(lease)
    lines.append("\(try store.keepAlive(lease) ?? 0), \(try store.read(.one("/l")).pairs)")
    // The events of one range are in order; the order of the ranges depends on the server.
    var seen: [String] = []
    try store.watch([.prefixed("/a/"), .one("/l")], from: first, seconds: 60) { events in
      seen += events.events.map { description(of: $0, from: first) }
      return !(seen.contains("- /l") && seen.contains("- /a/2"))
    }
    return lines + seen.filter { $0.contains("/a/") } + seen.filter { !$0.contains("/a/") }
  }

  private func outcome<Store: EtcdStore & ~Copyable>(
    of transaction: EtcdTransaction, from first: Int64, in store: inout Store
  ) -> String {
    do throws(CNIError) {
      let outcome = try store.transact(transaction)
      let found = outcome.readResults.map { $0.map { description(of: .put($0), from: first) } }
      return "\(outcome.isSuccess) \(outcome.revision - first) \(found) \(outcome.keyCounts)"
    } catch { return "code \(error.code.rawValue)" }
  }

  private func description(of event: EtcdEvents.Event, from first: Int64) -> String {
    switch event {
    case .put(let pair): "+ \(pair.key) \(pair.value) \(pair.modified - first) \(pair.lease == nil)"
    case .deleted(let key): "- \(key)"
    }
  }
}
