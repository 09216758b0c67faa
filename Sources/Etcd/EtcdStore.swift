public import CNI

/// What is asked of an etcd cluster, version 3.
///
/// `EtcdClient` implements it over the JSON gateway; tests use a fake. Everything throws code 11 where no quorum answers
/// in time, and code 108 where etcd refuses.
///
/// A write that met silence may have been carried out, and one whose member gave no answer is asked of the next: so what
/// it finds may be its own work. Whoever conditions a write on what was there must know that again: lost, but the holder
/// is me, is won.
public protocol EtcdStore: ~Copyable {
  /// The pairs of these keys, sorted by key, as a quorum has them.
  mutating func read(_ keys: EtcdKeys) throws(CNIError) -> EtcdPairs

  /// Carries out one of two lists of operations, as one: at most 128, no key written twice.
  ///
  /// - Throws: code 11 also where a lease that a put names is gone.
  mutating func transact(_ transaction: EtcdTransaction) throws(CNIError) -> EtcdOutcome

  /// A new lease of that many seconds; what is attached to it goes with it.
  mutating func grantLease(seconds: Int) throws(CNIError) -> EtcdLease

  /// Begins the lease's time anew.
  ///
  /// - Returns: the seconds it has from now on; `nil` where the lease is gone.
  mutating func keepAlive(_ lease: EtcdLease) throws(CNIError) -> Int?

  /// Ends the lease and deletes what is attached to it; nothing happens where it is gone.
  mutating func revoke(_ lease: EtcdLease) throws(CNIError)

  /// Tells `body` what changes from that revision on, in order, until `body` returns false or `seconds` have passed.
  ///
  /// - Throws: code 11 where the connection ends early; `EtcdEvents.isCompacted` is told where events were lost.
  mutating func watch(
    _ keys: [EtcdKeys], from revision: Int64, seconds: Int, _ body: (EtcdEvents) throws(CNIError) -> Bool
  ) throws(CNIError)
}

/// One key, or all that begin alike.
public enum EtcdKeys: Hashable, Sendable {
  case one(String)
  case prefixed(String)
}

/// A key with its value.
public struct EtcdPair: Equatable, Sendable {
  public var key: String
  public var value: [UInt8]
  /// The store's revision when the key was last written.
  public var modified: Int64
  /// `nil`: it stays until somebody deletes it.
  public var lease: EtcdLease?

  public init(_ key: String, _ value: [UInt8], modified: Int64 = 0, lease: EtcdLease? = nil) {
    self.key = key
    self.value = value
    self.modified = modified
    self.lease = lease
  }
}

/// Pairs, and the store's revision when they were read: a watch from the next one on misses nothing.
public struct EtcdPairs: Equatable, Sendable {
  public var pairs: [EtcdPair]
  public var revision: Int64

  public init(_ pairs: [EtcdPair], revision: Int64) {
    self.pairs = pairs
    self.revision = revision
  }
}

public struct EtcdLease: Hashable, Sendable {
  public var id: Int64

  public init(id: Int64) { self.id = id }
}

/// What to do where every condition holds, and what otherwise.
public struct EtcdTransaction: Equatable, Sendable {
  public enum Condition: Equatable, Sendable {
    case isAbsent(String)
    case isPresent(String)
    case isUnchanged(String, since: Int64)
    case hasValue(String, [UInt8])
  }

  public enum Operation: Equatable, Sendable {
    case put(String, [UInt8], lease: EtcdLease?)
    case delete(EtcdKeys)
    case read(EtcdKeys)
  }

  public var conditions: [Condition]
  public var operations: [Operation]
  public var otherwise: [Operation]

  public init(
    where conditions: [Condition] = [], _ operations: [Operation], otherwise: [Operation] = []
  ) {
    self.conditions = conditions
    self.operations = operations
    self.otherwise = otherwise
  }
}

/// How a transaction went.
public struct EtcdOutcome: Equatable, Sendable {
  /// Whether every condition held.
  public var isSuccess: Bool
  /// What each `read` that was carried out found, in order.
  public var found: [[EtcdPair]]
  /// It only grows, but in a cluster that was made anew, empty or of a backup.
  public var revision: Int64
  /// The cluster's number; one that was restored has another.
  public var cluster: String

  public init(isSuccess: Bool, found: [[EtcdPair]] = [], revision: Int64, cluster: String = "") {
    self.isSuccess = isSuccess
    self.found = found
    self.revision = revision
    self.cluster = cluster
  }
}

/// Changes, in the order in which they were made.
public struct EtcdEvents: Equatable, Sendable {
  public enum Event: Equatable, Sendable {
    case put(EtcdPair)
    /// By somebody, or by a lease that ended.
    case deleted(String)
  }

  public var events: [Event]
  /// A watch from the next one on misses nothing; some may be told again.
  public var revision: Int64
  /// The revision asked for is no longer kept: read everything again.
  public var isCompacted: Bool

  public init(_ events: [Event], revision: Int64, isCompacted: Bool = false) {
    self.events = events
    self.revision = revision
    self.isCompacted = isCompacted
  }
}
