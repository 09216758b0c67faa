import CNI
import Etcd

/// The data of a cluster, and its operations.
struct FakeEtcdState {
  struct Lease {
    var seconds: Int
    var left: Int
  }

  private(set) var pairs: [String: EtcdPair] = [:]
  private(set) var leases: [EtcdLease: Lease] = [:]
  private(set) var revision: Int64 = 1
  /// The last compacted revision.
  private(set) var compacted: Int64?
  private var history: [EtcdEvents] = []
  private var cluster = 1
  private var lastLease: Int64 = 7_587_870_000_000_000_000

  func find(_ keys: EtcdKeys) -> [EtcdPair] {
    pairs.values.filter { keys.holds($0.key) }.sorted { $0.key < $1.key }
  }

  // MARK: transactions

  mutating func transact(_ transaction: EtcdTransaction) throws(CNIError) -> EtcdOutcome {
    let isSuccess = transaction.conditions.allSatisfy(holds)
    let operations = isSuccess ? transaction.operations : transaction.otherwise
    try check(transaction.operations)
    try check(transaction.otherwise)
    for case .put(let key, _, let lease?) in operations where leases[lease] == nil {
      throw CNIError(.tryAgainLater, "etcd: write \(key): etcdserver: requested lease not found")
    }
    var found: [[EtcdPair]] = [], counts: [Int] = [], events: [EtcdEvents.Event] = []
    for operation in operations {
      switch operation {
      case .read(let keys):
        found.append(find(keys))
        counts.append(find(keys).count)
      case .readChanges(let keys, let revision):
        found.append(find(keys).filter { $0.modified > revision })
        counts.append(find(keys).count)
      case .put(let key, let value, let lease):
        let pair = EtcdPair(key, value, modified: revision + 1, lease: lease)
        pairs[key] = pair
        events.append(.put(pair))
      case .delete(let keys): events += remove(keys)
      }
    }
    keep(events)
    return EtcdOutcome(
      isSuccess: isSuccess, readResults: found, keyCounts: counts, revision: revision, cluster: "\(cluster)")
  }

  private func holds(_ condition: EtcdTransaction.Condition) -> Bool {
    switch condition {
    case .isAbsent(let key): pairs[key] == nil
    case .isPresent(let key): pairs[key] != nil
    case .isUnchanged(let key, let revision): (pairs[key]?.modified ?? 0) == revision
    case .hasValue(let key, let value): pairs[key]?.value == value
    }
  }

  /// Throws what etcd throws for more than 128 operations in a transaction, or two writes of one key.
  private func check(_ operations: [EtcdTransaction.Operation]) throws(CNIError) {
    guard operations.count <= 128 else {
      throw CNIError(.etcdRefused, "etcd: etcdserver: too many operations in txn request")
    }
    var written: Set<String> = []
    for case .put(let key, _, _) in operations {
      let isDeleted = operations.contains { if case .delete(let keys) = $0 { keys.holds(key) } else { false } }
      guard written.insert(key).inserted, !isDeleted else {
        throw CNIError(.etcdRefused, "etcd: etcdserver: duplicate key given in txn request")
      }
    }
  }

  private mutating func remove(_ keys: EtcdKeys) -> [EtcdEvents.Event] {
    find(keys).map { pair in
      pairs[pair.key] = nil
      return .deleted(pair.key)
    }
  }

  /// Records events as a new revision; without events there is none.
  private mutating func keep(_ events: [EtcdEvents.Event]) {
    guard !events.isEmpty else { return }
    revision += 1
    history.append(EtcdEvents(events, revision: revision))
  }

  // MARK: leases

  /// Raises the time to live to etcd's minimum, the time of an election.
  mutating func grant(_ seconds: Int) -> EtcdLease {
    let seconds = max(2, seconds)
    lastLease += 1
    leases[EtcdLease(id: lastLease)] = Lease(seconds: seconds, left: seconds)
    return EtcdLease(id: lastLease)
  }

  mutating func keepAlive(_ lease: EtcdLease) -> Int? {
    guard let seconds = leases[lease]?.seconds else { return nil }
    leases[lease] = Lease(seconds: seconds, left: seconds)
    return seconds
  }

  mutating func end(_ lease: EtcdLease) {
    guard leases.removeValue(forKey: lease) != nil else { return }
    keep(find(.prefixed("")).filter { $0.lease == lease }.flatMap { remove(.one($0.key)) })
  }

  mutating func pass(_ seconds: Int) {
    for lease in leases.keys { leases[lease]?.left -= seconds }
    for lease in leases.filter({ $0.value.left <= 0 }).keys.sorted(by: { $0.id < $1.id }) { end(lease) }
  }

  // MARK: history

  /// The first events of these ranges; `nil` if there are none.
  func events(of ranges: [EtcdWatchRange]) -> EtcdEvents? {
    for moment in history {
      let events = moment.events.filter { event in
        ranges.contains { moment.revision >= $0.start && $0.keys.holds(event.key) }
      }
      guard !events.isEmpty else { continue }
      // As etcd, which sends nothing for a range without changes.
      let revisions = ranges.map { range in
        events.contains { range.keys.holds($0.key) } ? max(range.start - 1, moment.revision) : range.start - 1
      }
      return EtcdEvents(events, revision: revisions.min() ?? moment.revision, revisions: revisions)
    }
    return nil
  }

  /// Lease IDs continue after a restore, as etcd's random IDs do not repeat.
  mutating func restore(_ backup: FakeEtcdState?) {
    let lease = lastLease, number = backup == nil ? cluster : cluster + 1
    self = backup ?? FakeEtcdState()
    lastLease = lease
    cluster = number
    history = []
  }

  mutating func compact() {
    compacted = revision
    history = []
  }
}

extension EtcdKeys {
  fileprivate func holds(_ key: String) -> Bool {
    switch self {
    case .one(let name): key == name
    case .prefixed(let start): key.hasPrefix(start)
    }
  }
}

extension EtcdEvents.Event {
  fileprivate var key: String {
    switch self {
    case .put(let pair): pair.key
    case .deleted(let key): key
    }
  }
}
