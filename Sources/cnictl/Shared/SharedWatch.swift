import CNI
import CNIRuntime
import Etcd
import EtcdClient
import EtcdRecords
import Linux
import NetTypes

/// Follows what hosts share through etcd until it is stopped.
///
/// It can be stopped at any time: the next start compares everything.
struct SharedWatch {
  let common: CommonOptions
  /// Names of networks; empty: all.
  let chosen: [NetworkName]
  /// The time between two reads of configurations, in seconds.
  let seconds: Int
  /// The last error of each range or cluster, so that each error is printed once.
  private var lastErrors: [String: String] = [:]
  /// Whether something could not be applied: a new round begins then.
  private var hasFailed = false
  /// After changes it rests for so many times what they took, at most `longestRest` milliseconds; others wait meanwhile, and
  /// then are followed together.
  private static let rest = 9
  private static let longestRest = 200

  init(common: CommonOptions, chosen: [NetworkName], seconds: Int) {
    self.common = common
    self.chosen = chosen
    self.seconds = seconds
  }

  mutating func run() throws(CNIError) {
    TerminationSignals.exitCleanly()
    while true {
      let ranges = try SharedRange.all(in: common.networks.load(), named: chosen)
      // Leases are renewed after a third of their time.
      let round = ranges.map { max(1, $0.config.leaseSeconds / 3) }.reduce(seconds, min)
      let end = Clock.now.advanced(bySeconds: round)
      var clusters: [Cluster] = []
      hasFailed = false
      for range in ranges {
        guard let revision = apply(range) else { continue }
        let index = clusters.firstIndex { $0.etcd == range.config.etcd } ?? clusters.count
        if index == clusters.count { clusters.append(Cluster(etcd: range.config.etcd)) }
        clusters[index].ranges.append((range, revision))
      }
      repeat {
        // Several clusters share the time in short slices.
        let slice = clusters.count == 1 ? max(1, Int(end.microseconds(since: Clock.now) / 1_000_000)) : 1
        for index in clusters.indices { follow(&clusters[index], seconds: slice) }
        if clusters.isEmpty { Clock.sleep(milliseconds: 1000) }
      } while Clock.now < end && !hasFailed
    }
  }

  /// The ranges in one etcd cluster, each with the revision up to which its keys were applied.
  private struct Cluster {
    let etcd: EtcdConfig
    var ranges: [(range: SharedRange, revision: Int64)] = []
  }

  /// - Returns: the revision before the keys were applied; `nil` after an error.
  private mutating func apply(_ range: SharedRange) -> Int64? {
    var revision: Int64?
    attempt("network \(range.network), \(range.keys.text)") { () throws(CNIError) in
      var store = EtcdClient(range.config.etcd)
      let read = try store.read(.one(range.keys.text))
      for change in try range.apply() { warn(change) }
      revision = read.revision
    }
    if revision == nil { hasFailed = true }
    return revision
  }

  /// Waits for changes that concern this host, and applies them.
  private mutating func follow(_ cluster: inout Cluster, seconds: Int) {
    var ranges = cluster.ranges, concerned: Set<Int> = []
    attempt(cluster.etcd.endpoints[0]) { () throws(CNIError) in
      var store = EtcdClient(cluster.etcd)
      let watched = ranges.map { EtcdWatchRange($0.range.keys, from: $0.revision + 1) }
      try store.watch(watched, seconds: seconds) { (events) throws(CNIError) in
        for index in ranges.indices {
          ranges[index].revision = events.revisions.indices.contains(index) ? events.revisions[index] : events.revision
          var isConcerned = events.isCompacted
          for event in events.events where !isConcerned && ranges[index].range.keys.contain(event.key) {
            isConcerned = try ranges[index].range.concerns(event)
          }
          if isConcerned { concerned.insert(index) }
        }
        return concerned.isEmpty
      }
    }
    let begun = Clock.now
    for index in concerned { ranges[index].revision = apply(ranges[index].range) ?? ranges[index].revision }
    cluster.ranges = ranges
    if !concerned.isEmpty {
      Clock.sleep(milliseconds: min(Self.longestRest, Self.rest * Clock.now.microseconds(since: begun) / 1000))
    }
  }

  /// Runs `body`; prints a repeated error only once, and waits after it.
  private mutating func attempt(_ what: String, _ body: () throws(CNIError) -> Void) {
    do throws(CNIError) {
      try body()
      if lastErrors.removeValue(forKey: what) != nil { warn("\(what): answers again") }
    } catch {
      if lastErrors.updateValue(error.message, forKey: what) == nil { warn("\(what): \(error)") }
      Clock.sleep(milliseconds: 1000)
    }
  }
}

extension EtcdKeys {
  fileprivate var text: String {
    switch self {
    case .one(let key), .prefixed(let key): key
    }
  }

  fileprivate func contain(_ key: String) -> Bool {
    switch self {
    case .one(let own): key == own
    case .prefixed(let prefix): key.hasPrefix(prefix)
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
