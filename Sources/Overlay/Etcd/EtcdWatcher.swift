public import CNI
public import Etcd
import NetTypes

/// Watches networks in one etcd cluster, and renews this host's leases in it.
///
/// A copy continues from the same revision.
public struct EtcdWatcher<Store: EtcdStore & ~Copyable> {
  private struct WatchedNetwork {
    var entry: HostEntry<Store>
    var snapshot: HostEntry<Store>.Snapshot
    /// Whether the whole network must be read again.
    var isStale = false
  }

  private let control: EtcdControlPlane<Store>
  private let etcd: EtcdConfig
  private var networks: [NetworkName: WatchedNetwork] = [:]
  private var printedWarnings: Set<String> = []

  public init(_ control: EtcdControlPlane<Store>, at etcd: EtcdConfig) {
    self.control = control
    self.etcd = etcd
  }

  /// Starts to watch a network; registers this host and renews its lease if that is due.
  ///
  /// - Returns: the network's state, with the containers in mode l2.
  public mutating func begin(
    _ network: NetworkName, _ plane: EtcdPlaneConfig, as host: OverlayHost
  ) throws(CNIError) -> ControlPlaneState {
    var entry = HostEntry(control: control, plane: plane, network: network, host: host)
    entry.renewal = 3
    let snapshot = try entry.register(withEndpoints: true)
    entry.isQuiet = true
    networks[network] = WatchedNetwork(entry: entry, snapshot: snapshot)
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
    guard let start = networks.values.map({ $0.snapshot.view.revision }).min() else { return }
    // `store` is busy during the callback, which therefore changes only these copies; they are written back at the end.
    var watched = networks, warnings = printedWarnings, hasReceivedEvents = false
    defer {
      // A watch from the same revision would repeat these events, outdated ones too.
      for network in watched.keys where hasReceivedEvents { watched[network]?.isStale = true }
      (networks, printedWarnings) = (watched, warnings)
    }
    try store.watch(keys, from: start + 1, seconds: seconds) { (events) throws(CNIError) in
      guard !events.isCompacted else {
        for network in watched.keys { watched[network]?.isStale = true }
        return false
      }
      for (network, before) in watched where before.snapshot.view.concerns(events) {
        var next = before
        next.snapshot.view.follow(events)
        next.snapshot = try next.entry.snapshot(next.snapshot.view, try next.entry.record()) {
          if warnings.insert($0).inserted { control.warn($0) }
        }
        next.isStale = try next.entry.lacksOwnEntry(next.snapshot.view)
        watched[network] = next
        if next.snapshot.controlState != before.snapshot.controlState {
          try changed(network, next.snapshot.controlState)
        }
      }
      hasReceivedEvents = true
      return !watched.values.contains(where: { $0.isStale })
    }
  }

  /// Renews leases if that is due, and reads stale networks again.
  private mutating func refresh(
    from store: inout Store, _ changed: (NetworkName, ControlPlaneState) throws(CNIError) -> Void
  ) throws(CNIError) {
    for (network, watched) in networks {
      var isDue = try !watched.entry.isRenewed() || watched.isStale
      if !isDue { isDue = try !watched.entry.isFollowed(by: watched.snapshot.view, at: &store) }
      guard isDue else { continue }
      let view = try watched.entry.register(withEndpoints: true, at: &store).view
      if !watched.snapshot.view.isBefore(view) {
        control.warn("\(network): etcd was emptied or restored: everything is read and registered again")
        try watched.entry.republish(at: &store, watched.entry.record()?.lease, after: nil)
      }
      let snapshot = try watched.entry.snapshot(view, try watched.entry.record()) {
        if printedWarnings.insert($0).inserted { control.warn($0) }
      }
      networks[network] = WatchedNetwork(entry: watched.entry, snapshot: snapshot)
      if snapshot.controlState != watched.snapshot.controlState { try changed(network, snapshot.controlState) }
    }
  }

  private var keys: [EtcdKeys] {
    networks.values.flatMap { NetworkView.keys($0.entry.plane.prefix, $0.entry.host.mode, withEndpoints: true) }
  }
}

extension HostEntry where Store: ~Copyable {
  fileprivate func isRenewed() throws(CNIError) -> Bool {
    guard let record = try record() else { return false }
    return record.lease == nil || record.isFresh(renewal, at: control.now())
  }

  /// Whether etcd still continues from `view` and has this host's entry; costs one request for one key.
  ///
  /// After etcd was emptied or restored, its revision is lower, and a watch would wait for a revision far in the future.
  fileprivate func isFollowed(by view: NetworkView, at store: inout Store) throws(CNIError) -> Bool {
    guard let key = try record()?.key else { return true }
    let outcome = try store.transact(EtcdTransaction([.read(.one(key))]))
    return view.isBefore(outcome) && outcome.readResults.first?.isEmpty == false
  }

  /// Whether this host's own entry is missing.
  fileprivate func lacksOwnEntry(_ view: NetworkView) throws(CNIError) -> Bool { view.own(host, try record()) == nil }
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
