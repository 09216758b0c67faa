public import CNI

/// Operations on an etcd cluster, API version 3.
///
/// `EtcdClient` implements it over the JSON gateway; tests use a fake. Every function throws code 11 if no quorum answers in
/// time, and code 108 if etcd refuses.
///
/// A write without an answer may have been carried out, and is then sent to the next member. So a conditional write can fail
/// because of its own first try: a caller must recognise its own value, and treat such a failure as a success.
public protocol EtcdStore: ~Copyable {
  /// The pairs of these keys, sorted by key, as a quorum has them (a linearizable read).
  mutating func read(_ keys: EtcdKeys) throws(CNIError) -> EtcdPairs

  /// Carries out one of two lists of operations atomically: at most 128, with no key written twice.
  ///
  /// - Throws: code 11 also if the lease of a put no longer exists.
  mutating func transact(_ transaction: EtcdTransaction) throws(CNIError) -> EtcdOutcome

  /// Grants a lease of that many seconds; the keys attached to it are deleted when it ends.
  mutating func grantLease(seconds: Int) throws(CNIError) -> EtcdLease

  /// Renews the lease.
  ///
  /// - Returns: its new time to live in seconds; `nil` if the lease no longer exists.
  mutating func keepAlive(_ lease: EtcdLease) throws(CNIError) -> Int?

  /// Ends the lease and deletes the keys attached to it; no-op if it no longer exists.
  mutating func revoke(_ lease: EtcdLease) throws(CNIError)

  /// Calls `body` with the changes of these ranges, in order, until it returns false or `seconds` have passed.
  ///
  /// All changes that have arrived meanwhile are passed at once.
  ///
  /// - Throws: code 11 if the connection ends early. `EtcdEvents.isCompacted` is set if events were lost.
  mutating func watch(
    _ ranges: [EtcdWatchRange], seconds: Int, _ body: (EtcdEvents) throws(CNIError) -> Bool
  ) throws(CNIError)
}

extension EtcdStore where Self: ~Copyable {
  /// Watches all of these keys from the same revision on.
  public mutating func watch(
    _ keys: [EtcdKeys], from revision: Int64, seconds: Int, _ body: (EtcdEvents) throws(CNIError) -> Bool
  ) throws(CNIError) {
    try watch(keys.map { EtcdWatchRange($0, from: revision) }, seconds: seconds, body)
  }
}

/// Keys to watch, and the first revision whose changes are wanted.
public struct EtcdWatchRange: Equatable, Sendable {
  public var keys: EtcdKeys
  public var start: Int64

  public init(_ keys: EtcdKeys, from start: Int64) {
    self.keys = keys
    self.start = start
  }
}

/// One key, or all keys with a common prefix.
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
  /// `nil`: the key stays until it is deleted.
  public var lease: EtcdLease?

  public init(_ key: String, _ value: [UInt8], modified: Int64 = 0, lease: EtcdLease? = nil) {
    self.key = key
    self.value = value
    self.modified = modified
    self.lease = lease
  }
}

/// Pairs, and the store's revision when they were read: a watch from the next revision on misses nothing.
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

/// Operations to carry out if every condition is true, and others to carry out otherwise.
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
    /// Reads only what was written after that revision; what was deleted shows in the count of keys.
    case readChanges(EtcdKeys, since: Int64)
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

/// The result of a transaction.
public struct EtcdOutcome: Equatable, Sendable {
  /// Whether every condition was true.
  public var isSuccess: Bool
  /// The result of each `read` that was carried out, in order.
  public var readResults: [[EtcdPair]]
  /// For each of these, how many keys there are.
  public var keyCounts: [Int]
  /// The store's revision; it only grows, except in a cluster that was emptied or restored from a backup.
  public var revision: Int64
  /// The cluster's ID; a restored cluster has another one.
  public var cluster: String

  public init(
    isSuccess: Bool, readResults: [[EtcdPair]] = [], keyCounts: [Int]? = nil, revision: Int64, cluster: String = ""
  ) {
    self.isSuccess = isSuccess
    self.readResults = readResults
    self.keyCounts = keyCounts ?? readResults.map { $0.count }
    self.revision = revision
    self.cluster = cluster
  }
}

/// Changes, in their order.
public struct EtcdEvents: Equatable, Sendable {
  public enum Event: Equatable, Sendable {
    case put(EtcdPair)
    /// By a client, or because the key's lease ended.
    case deleted(String)
  }

  public var events: [Event]
  /// A watch of all ranges from the next revision on misses nothing; some events may be repeated.
  public var revision: Int64
  /// For each range, in order: a watch from the next revision on continues after these events.
  public var revisions: [Int64]
  /// etcd no longer has the requested revision: read everything again.
  public var isCompacted: Bool

  public init(_ events: [Event], revision: Int64, revisions: [Int64] = [], isCompacted: Bool = false) {
    self.events = events
    self.revision = revision
    self.revisions = revisions
    self.isCompacted = isCompacted
  }
}

extension EtcdEvents {
  /// Appends events that arrived after these.
  public mutating func append(_ next: EtcdEvents) {
    events += next.events
    (revision, revisions, isCompacted) = (next.revision, next.revisions, next.isCompacted)
  }
}
