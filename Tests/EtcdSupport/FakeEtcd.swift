public import CNI
public import Etcd
import Synchronization

/// An etcd cluster in memory, with etcd's limits; a copy is another client of the same cluster.
///
/// Time passes only in `pass`, and a watch ends after the last event.
public struct FakeEtcd: EtcdStore, Sendable {
  /// The fate of a request.
  public enum Fate: Equatable, Sendable {
    case asUsual
    /// The request is not executed and throws code 11; a watch ends with that error.
    case noQuorum
    /// The request is executed but throws code 11.
    case answerLost
    /// Another client's transaction is executed first, then the request; a watch reports that transaction.
    case rival(EtcdTransaction)
    /// The request is not executed and throws this error.
    case refused(CNIError)
  }

  /// A request, by its kind.
  public enum Request: Equatable, Sendable {
    case read(EtcdKeys)
    case transact(EtcdTransaction)
    case grantLease(seconds: Int)
    case keepAlive(EtcdLease)
    case revoke(EtcdLease)
    case watch([EtcdWatchRange])
  }

  private final class Shared: Sendable {
    let state = Mutex(FakeEtcdState())
    let plan = Mutex((fates: [Fate](), requests: [Request]()))
  }

  private let shared = Shared()
  /// Whether a watch passes all waiting events at once, as a slow reader of a real cluster gets them.
  private let batches: Bool

  public init(batches: Bool = false) { self.batches = batches }

  // MARK: access for tests

  /// The requests of all clients, in order.
  public var requests: [Request] { shared.plan.withLock { $0.requests } }

  /// Sets the fates of the next requests and replaces earlier ones; later requests go as usual.
  public func next(_ fates: Fate...) { next(fates) }

  public func next(_ fates: [Fate]) { shared.plan.withLock { $0.fates = fates } }

  /// All keys and values as text.
  public var texts: [String: String] {
    shared.state.withLock { $0.pairs.mapValues { String(decoding: $0.value, as: UTF8.self) } }
  }

  public var pairs: [EtcdPair] { shared.state.withLock { $0.find(.prefixed("")) } }

  public var revision: Int64 { shared.state.withLock { $0.revision } }

  /// The leases that have not expired, with their remaining seconds.
  public var leases: [EtcdLease: Int] { shared.state.withLock { $0.leases.mapValues(\.left) } }

  /// Writes as another client; not recorded as a request.
  public func put(_ key: String, _ text: String, lease: EtcdLease? = nil) throws(CNIError) {
    let put = EtcdTransaction.Operation.put(key, Array(text.utf8), lease: lease)
    _ = try onState { (state) throws(CNIError) in try state.transact(EtcdTransaction([put])) }
  }

  /// Deletes as another client; not recorded as a request.
  public func delete(_ keys: EtcdKeys) throws(CNIError) {
    _ = try onState { (state) throws(CNIError) in try state.transact(EtcdTransaction([.delete(keys)])) }
  }

  /// Lets time pass, so that leases expire.
  public func pass(seconds: Int) { shared.state.withLock { $0.pass(seconds) } }

  /// Compacts the history before the current revision: a watch from an older one fails.
  public func compact() { shared.state.withLock { $0.compact() } }

  /// The data of a cluster at one moment.
  public struct Backup: Sendable {
    fileprivate var state: FakeEtcdState
  }

  public func backup() -> Backup { shared.state.withLock { Backup(state: $0) } }

  /// Replaces the cluster by one from a backup, with another cluster ID, or by an empty one with the same ID.
  public func restore(_ backup: Backup?) {
    shared.state.withLock { $0.restore(backup?.state) }
  }

  // MARK: EtcdStore

  public mutating func read(_ keys: EtcdKeys) throws(CNIError) -> EtcdPairs {
    try meet(.read(keys)) { (state) throws(CNIError) in EtcdPairs(state.find(keys), revision: state.revision) }
  }

  public mutating func transact(_ transaction: EtcdTransaction) throws(CNIError) -> EtcdOutcome {
    try meet(.transact(transaction)) { (state) throws(CNIError) in try state.transact(transaction) }
  }

  public mutating func grantLease(seconds: Int) throws(CNIError) -> EtcdLease {
    try meet(.grantLease(seconds: seconds)) { (state) throws(CNIError) in state.grant(seconds) }
  }

  public mutating func keepAlive(_ lease: EtcdLease) throws(CNIError) -> Int? {
    try meet(.keepAlive(lease)) { (state) throws(CNIError) in state.keepAlive(lease) }
  }

  public mutating func revoke(_ lease: EtcdLease) throws(CNIError) {
    try meet(.revoke(lease)) { (state) throws(CNIError) in state.end(lease) }
  }

  public mutating func watch(
    _ ranges: [EtcdWatchRange], seconds: Int, _ body: (EtcdEvents) throws(CNIError) -> Bool
  ) throws(CNIError) {
    var ranges = ranges
    repeat {
      if let compacted = shared.state.withLock({ $0.compacted }), ranges.contains(where: { $0.start <= compacted }) {
        _ = try body(EtcdEvents([], revision: compacted, isCompacted: true))
        return
      }
      while var events = nextEvents(of: ranges) {
        // What another client changes meanwhile waits for the next call of `body`.
        while batches, let more = nextEvents(of: ranges.starting(after: events)) { events.append(more) }
        ranges = ranges.starting(after: events)
        guard try body(events) else { return }
      }
    } while try goesOn(.watch(ranges))
  }

  private func nextEvents(of ranges: [EtcdWatchRange]) -> EtcdEvents? {
    shared.state.withLock { $0.events(of: ranges) }
  }

  // MARK: fates

  /// Executes a request according to its fate.
  private func meet<Value>(
    _ request: Request, _ body: (inout FakeEtcdState) throws(CNIError) -> Value
  ) throws(CNIError) -> Value {
    switch nextFate(of: request) {
    case .asUsual: return try onState(body)
    case .noQuorum: throw Self.silence
    case .refused(let error): throw error
    case .answerLost:
      _ = try onState(body)
      throw Self.silence
    case .rival(let transaction):
      return try onState { (state) throws(CNIError) in
        _ = try state.transact(transaction)
        return try body(&state)
      }
    }
  }

  /// Decides whether a watch that has reported all events goes on.
  ///
  /// - Returns: whether there may be more events.
  private func goesOn(_ request: Request) throws(CNIError) -> Bool {
    switch nextFate(of: request) {
    case .asUsual: return false
    case .noQuorum, .answerLost: throw Self.silence
    case .refused(let error): throw error
    case .rival(let transaction):
      _ = try onState { (state) throws(CNIError) in try state.transact(transaction) }
      return true
    }
  }

  private func nextFate(of request: Request) -> Fate {
    shared.plan.withLock { plan in
      plan.requests.append(request)
      return plan.fates.isEmpty ? .asUsual : plan.fates.removeFirst()
    }
  }

  private func onState<Value>(
    _ body: (inout FakeEtcdState) throws(CNIError) -> Value
  ) throws(CNIError) -> Value {
    let result: Result<Value, CNIError> = shared.state.withLock { state in
      do throws(CNIError) { return .success(try body(&state)) } catch { return .failure(error) }
    }
    return try result.get()
  }

  private static let silence = CNIError(.tryAgainLater, "etcd: no quorum answers")
}

extension [EtcdWatchRange] {
  fileprivate func starting(after events: EtcdEvents) -> [EtcdWatchRange] {
    zip(self, events.revisions).map { EtcdWatchRange($0.keys, from: $1 + 1) }
  }
}
