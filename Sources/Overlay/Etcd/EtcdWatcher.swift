public import CNI
public import Etcd
import Linux
import NetTypes

/// Watches networks in one etcd cluster, and renews this host's leases in it.
///
/// A copy continues from the same revision.
public struct EtcdWatcher<Store: EtcdStore & ~Copyable> {
  fileprivate struct WatchedNetwork {
    var entry: HostEntry<Store>
    var snapshot: HostEntry<Store>.Snapshot
    /// For each range of keys, the revision up to which its changes are in the snapshot.
    var followed: [Int64]
    /// Whether the whole network must be read again.
    var isStale = false

    init(_ entry: HostEntry<Store>, _ snapshot: HostEntry<Store>.Snapshot) {
      self.entry = entry
      self.snapshot = snapshot
      followed = Self.keys(entry).map { _ in snapshot.view.revision }
    }

    var ranges: [EtcdWatchRange] { zip(Self.keys(entry), followed).map { EtcdWatchRange($0, from: $1 + 1) } }

    private static func keys(_ entry: HostEntry<Store>) -> [EtcdKeys] {
      NetworkView.keys(entry.plane.prefix, entry.host.mode, withContainers: true)
    }
  }

  private let control: EtcdControlPlane<Store>
  private let etcd: EtcdConfig
  /// After changes it rests for so many times what they took; they wait meanwhile, and then are followed together.
  private let rest: Int
  private var networks: [NetworkName: WatchedNetwork] = [:]
  private var printedWarnings: Set<String> = []

  public init(_ control: EtcdControlPlane<Store>, at etcd: EtcdConfig, rest: Int = 0) {
    self.control = control
    self.etcd = etcd
    self.rest = rest
  }

  /// Starts to watch a network; registers this host and renews its lease if that is due.
  ///
  /// - Returns: the network's state, with the containers in mode l2.
  public mutating func begin(
    _ network: NetworkName, _ plane: EtcdPlaneConfig, as host: OverlayHost
  ) throws(CNIError) -> ControlPlaneState {
    var entry = HostEntry(control: control, plane: plane, network: network, host: host)
    entry.renewal = 3
    let snapshot = try entry.register(withContainers: true)
    entry.isQuiet = true
    networks[network] = WatchedNetwork(entry, snapshot)
    return snapshot.controlState
  }

  /// The network's state as last read; `nil` if the network is not watched.
  public func controlState(of network: NetworkName) -> ControlPlaneState? { networks[network]?.snapshot.controlState }

  /// Watches for that time; renews leases first if that is due.
  ///
  /// - Parameters:
  ///   - seconds: how long to watch.
  ///   - changed: is called with a network's new state whenever it changes.
  /// - Throws: code 11 if etcd stops answering; the state is kept, and the next call continues from it.
  public mutating func follow(
    seconds: Int, _ changed: (NetworkName, ControlPlaneState) throws(CNIError) -> Void
  ) throws(CNIError) {
    var store = try control.open(etcd)
    try refresh(from: &store, changed)
    guard !networks.isEmpty else { return }
    // `store` is busy during the callback, which therefore changes only these copies; they are written back at the end.
    var watched = networks, warnings = printedWarnings
    networks = [:]
    defer { (networks, printedWarnings) = (watched, warnings) }
    let names = watched.keys.sorted { $0.description < $1.description }
    let ranges = names.flatMap { watched[$0]?.ranges ?? [] }
    try store.watch(ranges, seconds: seconds) { (events) throws(CNIError) in
      guard !events.isCompacted else {
        for name in names { watched[name]?.isStale = true }
        return false
      }
      let begun = Clock.now
      var revisions = events.revisions[...]
      for name in names {
        guard let before = watched[name]?.snapshot.controlState else { continue }
        try watched[name]?.follow(events, &revisions) { if warnings.insert($0).inserted { control.warn($0) } }
        if let after = watched[name]?.snapshot.controlState, after != before { try changed(name, after) }
      }
      // What changes meanwhile is followed at once afterwards.
      Clock.sleep(milliseconds: min(1000, rest * Clock.now.microseconds(since: begun) / 1000))
      return !watched.values.contains(where: { $0.isStale })
    }
  }

  /// Renews leases if that is due, and reads stale networks again.
  private mutating func refresh(
    from store: inout Store, _ changed: (NetworkName, ControlPlaneState) throws(CNIError) -> Void
  ) throws(CNIError) {
    for (network, watched) in networks {
      var isDue = try !watched.entry.isRenewed() || watched.isStale
      if !isDue { isDue = try networks[network]?.isFollowed(at: &store) == false }
      guard isDue else { continue }
      let view = try watched.entry.register(withContainers: true, at: &store).view
      if !watched.snapshot.view.isBefore(view) {
        control.warn("\(network): etcd was emptied or restored: everything is read and registered again")
        try watched.entry.republish(at: &store, watched.entry.record()?.lease, after: nil)
      }
      let snapshot = try watched.entry.snapshot(view, try watched.entry.record()) {
        if printedWarnings.insert($0).inserted { control.warn($0) }
      }
      networks[network] = WatchedNetwork(watched.entry, snapshot)
      if snapshot.controlState != watched.snapshot.controlState { try changed(network, snapshot.controlState) }
    }
  }
}

extension EtcdWatcher.WatchedNetwork where Store: ~Copyable {
  /// Applies the events of this network, if there are any; takes this network's revisions from `revisions`.
  fileprivate mutating func follow(
    _ events: EtcdEvents, _ revisions: inout ArraySlice<Int64>, warn: (String) -> Void
  ) throws(CNIError) {
    followed = Array(revisions.prefix(followed.count))
    revisions = revisions.dropFirst(followed.count)
    guard snapshot.view.concerns(events) else { return }
    // Until the end, in case of an error: the events would be missing.
    isStale = true
    snapshot.view.follow(events)
    let record = try entry.record()
    snapshot.controlState = try entry.controlState(snapshot.view, record, warn: warn)
    isStale = entry.lacksOwnEntry(snapshot.view, record)
  }

  /// Whether etcd still continues from the snapshot and has this host's entry; costs one request for two keys.
  ///
  /// After etcd was emptied or restored, its revision is lower, and a watch would wait for a revision far in the future.
  fileprivate mutating func isFollowed(at store: inout Store) throws(CNIError) -> Bool {
    guard let key = try entry.record()?.key else { return true }
    let configKey = FlannelNetwork.key(entry.plane.prefix)
    let outcome = try store.transact(EtcdTransaction([.read(.one(key)), .read(.one(configKey))]))
    guard snapshot.view.isBefore(outcome), outcome.readResults.first?.isEmpty == false else { return false }
    // The configuration hardly ever changes: without this its watch would begin further and further back in etcd's history.
    if outcome.readResults.last?.first == snapshot.view.config { followed[0] = max(followed[0], outcome.revision) }
    return true
  }
}

extension HostEntry where Store: ~Copyable {
  fileprivate func isRenewed() throws(CNIError) -> Bool {
    guard let record = try record() else { return false }
    return record.lease == nil || record.isFresh(renewal, at: control.now())
  }

  /// Whether this host's own entry is missing.
  fileprivate func lacksOwnEntry(_ view: NetworkView, _ record: HostRecord?) -> Bool { view.own(host, record) == nil }
}

extension EtcdControlPlane where Store: ~Copyable {
  /// Whether this host has an entry in that network, which has to be kept alive.
  public func isRegistered(_ network: NetworkName, _ plane: EtcdPlaneConfig) throws(CNIError) -> Bool {
    guard let record = try records.host(network), record.prefix == plane.prefix else { return false }
    // No lease: the entry is permanent (0 seconds), or this host has left the network.
    return record.lease != nil || record.leaseSeconds == 0
  }

  /// Holds the watch lock of each network while `body` runs.
  ///
  /// - Throws: code 11 if another process watches one of them; what `body` throws.
  public func holdingWatchLocks(_ networks: ArraySlice<NetworkName>, _ body: () throws(CNIError) -> Void)
    throws(CNIError)
  {
    guard let first = networks.first else { return try body() }
    let lock = try records.lockWatch(first)
    try holdingWatchLocks(networks.dropFirst(), body)
    _ = consume lock
  }
}
