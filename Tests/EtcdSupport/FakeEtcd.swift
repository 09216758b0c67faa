public import CNI
public import Etcd
import Synchronization

/// A cluster kept in memory, as strict as the real one; a copy is another client of the same cluster.
///
/// Time stands still until `pass` is called, and a watch ends where there is nothing more to tell.
public struct FakeEtcd: EtcdStore, Sendable {
  /// What a request meets.
  public enum Fate: Equatable, Sendable {
    case asUsual
    /// Nothing is done, and code 11 thrown; a watch ends so too.
    case noQuorum
    /// It is carried out, and code 11 thrown all the same.
    case answerLost
    /// Somebody else is faster, then it is carried out; a watch tells what they did.
    case rival(EtcdTransaction)
    /// Something else is thrown, and nothing done.
    case refused(CNIError)
  }

  /// What was asked, by its name.
  public enum Request: Equatable, Sendable {
    case read(EtcdKeys)
    case transact(EtcdTransaction)
    case grantLease(seconds: Int)
    case keepAlive(EtcdLease)
    case revoke(EtcdLease)
    case watch([EtcdKeys], from: Int64)
  }

  private final class Shared: Sendable {
    let state = Mutex(FakeEtcdState())
    let plan = Mutex((fates: [Fate](), requests: [Request]()))
  }

  private let shared = Shared()

  public init() {}

  // MARK: what a test looks at and changes

  /// The requests of all clients, in order.
  public var requests: [Request] { shared.plan.withLock { $0.requests } }

  /// What the next requests meet, one for each, instead of what was planned before; all further ones go as usual.
  public func next(_ fates: Fate...) { next(fates) }

  public func next(_ fates: [Fate]) { shared.plan.withLock { $0.fates = fates } }

  /// Every pair as text.
  public var texts: [String: String] {
    shared.state.withLock { $0.pairs.mapValues { String(decoding: $0.value, as: UTF8.self) } }
  }

  public var pairs: [EtcdPair] { shared.state.withLock { $0.find(.prefixed("")) } }

  public var revision: Int64 { shared.state.withLock { $0.revision } }

  /// The leases that have not ended, with the seconds each has left.
  public var leases: [EtcdLease: Int] { shared.state.withLock { $0.leases.mapValues(\.left) } }

  /// Writes as somebody else would, which is no request.
  public func put(_ key: String, _ text: String, lease: EtcdLease? = nil) throws(CNIError) {
    let put = EtcdTransaction.Operation.put(key, Array(text.utf8), lease: lease)
    _ = try onState { (state) throws(CNIError) in try state.transact(EtcdTransaction([put])) }
  }

  /// Deletes as somebody else would, which is no request.
  public func delete(_ keys: EtcdKeys) throws(CNIError) {
    _ = try onState { (state) throws(CNIError) in try state.transact(EtcdTransaction([.delete(keys)])) }
  }

  /// Lets time pass: leases end.
  public func pass(seconds: Int) { shared.state.withLock { $0.pass(seconds) } }

  /// Forgets what came before the present revision: whoever watches from there is told that it is compacted.
  public func compact() { shared.state.withLock { $0.compact() } }

  /// What a cluster held once.
  public struct Backup: Sendable {
    fileprivate var state: FakeEtcdState
  }

  public func backup() -> Backup { shared.state.withLock { Backup(state: $0) } }

  /// Makes the cluster anew, of a backup and with another number, or empty and with the same.
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
    _ keys: [EtcdKeys], from revision: Int64, seconds: Int, _ body: (EtcdEvents) throws(CNIError) -> Bool
  ) throws(CNIError) {
    var next = revision
    repeat {
      if let compacted = shared.state.withLock({ $0.compacted }), next <= compacted {
        _ = try body(EtcdEvents([], revision: compacted, isCompacted: true))
        return
      }
      while let events = shared.state.withLock({ $0.events(of: keys, from: next) }) {
        next = events.revision + 1
        guard try body(events) else { return }
      }
    } while try goesOn(.watch(keys, from: next))
  }

  // MARK: fates

  /// Carries a request out as its fate wants it.
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

  /// What becomes of a watch that has told everything.
  ///
  /// - Returns: whether there may be more to tell.
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
