public import CNI
public import Etcd
import Linux

/// An etcd cluster, reached through the JSON gateway of its members.
///
/// Connects at the first request and keeps the connection. Tries the members in turn until one answers. If none does, it repeats
/// the request for six seconds, the time to elect a new leader; in later calls for one second only, so that a rollback does not
/// wait six seconds for each step. Ignores proxies of the environment.
public struct EtcdClient: EtcdStore, ~Copyable {
  private static let normalTimeoutSeconds = 6
  private static let timeoutSecondsAfterFailure = 1

  private let endpoints: [String]
  private var members: ClusterMembers
  private var timeoutSeconds = Self.normalTimeoutSeconds

  /// - Parameter config: how to reach the cluster; nothing is sent yet.
  public init(_ config: EtcdConfig) {
    endpoints = config.endpoints
    members = ClusterMembers(config)
  }

  /// Reads all pairs of these keys, page by page at one revision.
  ///
  /// - Throws: code 50 if libcurl is missing; otherwise as `EtcdStore` says.
  public mutating func read(_ keys: EtcdKeys) throws(CNIError) -> EtcdPairs {
    var (all, isLast) = try send(.page(of: keys)).page()
    while !isLast, let last = all.pairs.last {
      let next = try send(.page(of: keys, after: last.key, at: all.revision)).page()
      all.pairs += next.pairs.pairs
      isLast = next.isLast
    }
    return all
  }

  public mutating func transact(_ transaction: EtcdTransaction) throws(CNIError) -> EtcdOutcome {
    try send(.transaction(transaction)).outcome()
  }

  public mutating func grantLease(seconds: Int) throws(CNIError) -> EtcdLease {
    try send(.lease(seconds: seconds)).grantedLease()
  }

  public mutating func keepAlive(_ lease: EtcdLease) throws(CNIError) -> Int? {
    try send(.renewal(of: lease)).renewedSeconds()
  }

  public mutating func revoke(_ lease: EtcdLease) throws(CNIError) {
    let request = GatewayRequest.revocation(of: lease)
    do throws(GatewayError) {
      _ = try answer(request)
    } catch  where error.kind == .leaseNotFound {
      return
    } catch { throw error.cniError(endpoints: endpoints, purpose: request.purpose) }
  }

  public mutating func watch(
    _ ranges: [EtcdWatchRange], seconds: Int, _ body: (EtcdEvents) throws(CNIError) -> Bool
  ) throws(CNIError) {
    var watch = GatewayWatch(ranges), failure: CNIError?
    let purpose = watch.purpose, now = Clock.now
    do throws(GatewayError) {
      try members.follow(
        &watch, establishedUntil: now.advanced(bySeconds: timeoutSeconds), until: now.advanced(bySeconds: seconds)
      ) { events in
        do throws(CNIError) { return try body(events) } catch { failure = error }
        return false
      }
    } catch { throw error.cniError(endpoints: endpoints, purpose: purpose) }
    if let failure { throw failure }
  }

  private mutating func send(_ request: GatewayRequest) throws(CNIError) -> GatewayAnswer {
    do throws(GatewayError) {
      return try answer(request)
    } catch { throw error.cniError(endpoints: endpoints, purpose: request.purpose) }
  }

  private mutating func answer(_ request: GatewayRequest) throws(GatewayError) -> GatewayAnswer {
    do throws(GatewayError) {
      let answer = try members.answer(request, until: Clock.now.advanced(bySeconds: timeoutSeconds))
      timeoutSeconds = Self.normalTimeoutSeconds
      return answer
    } catch {
      if error.kind == .unreachable || error.kind == .unavailable { timeoutSeconds = Self.timeoutSecondsAfterFailure }
      throw error
    }
  }
}
