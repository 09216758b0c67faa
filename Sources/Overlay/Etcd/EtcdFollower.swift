public import CNI
public import Etcd
import NetTypes

/// Follows what etcd tells of networks of one cluster, and keeps this host's entries in it alive.
///
/// A copy follows on from the same point.
public struct EtcdFollower<Store: EtcdStore & ~Copyable> {
  private struct Followed {
    var entry: HostEntry<Store>
    var finding: HostEntry<Store>.Finding
    /// Whether all of it is to be read again.
    var isStale = false
  }

  private let control: EtcdControl<Store>
  private let etcd: EtcdConfig
  private var networks: [NetworkName: Followed] = [:]
  private var told: Set<String> = []

  public init(_ control: EtcdControl<Store>, at etcd: EtcdConfig) {
    self.control = control
    self.etcd = etcd
  }

  /// Begins with a network; registers this host and renews its lease where that is due.
  ///
  /// - Returns: what is known of it, the containers of mode l2 too.
  public mutating func begin(
    _ network: NetworkName, _ plane: EtcdPlaneConfig, as host: OverlayHost
  ) throws(CNIError) -> OverlayKnowledge {
    var entry = HostEntry(control: control, plane: plane, network: network, host: host)
    entry.renewal = 3
    let finding = try entry.register(withEndpoints: true)
    entry.isQuiet = true
    networks[network] = Followed(entry: entry, finding: finding)
    return finding.knowledge
  }

  /// What is known of it now; `nil` where it is none of those that are followed.
  public func knowledge(of network: NetworkName) -> OverlayKnowledge? { networks[network]?.finding.knowledge }

  /// Follows for so long, and renews leases before that where it is time.
  ///
  /// - Parameters:
  ///   - seconds: how long.
  ///   - changed: is told what is known of a network when that changes.
  /// - Throws: code 11 where etcd goes silent; what is known stays, and the next call follows on.
  public mutating func follow(
    seconds: Int, _ changed: (NetworkName, OverlayKnowledge) throws(CNIError) -> Void
  ) throws(CNIError) {
    var store = try control.open(etcd)
    try refresh(from: &store, changed)
    guard let start = networks.values.map(\.finding.view.revision).min() else { return }
    // The store is busy while it tells, and is a part of nothing that is changed then.
    var followed = networks, warned = told, hasTold = false
    defer {
      // A watch from the same revision would tell all of it again, what is over by now too.
      for network in followed.keys where hasTold { followed[network]?.isStale = true }
      (networks, told) = (followed, warned)
    }
    try store.watch(keys, from: start + 1, seconds: seconds) { (events) throws(CNIError) in
      guard !events.isCompacted else {
        for network in followed.keys { followed[network]?.isStale = true }
        return false
      }
      for (network, before) in followed where before.finding.view.concerns(events) {
        var next = before
        next.finding.view.follow(events)
        next.finding = try next.entry.finding(next.finding.view, try next.entry.record()) {
          if warned.insert($0).inserted { control.warn($0) }
        }
        next.isStale = try next.entry.isLost(next.finding.view)
        followed[network] = next
        if next.finding.knowledge != before.finding.knowledge { try changed(network, next.finding.knowledge) }
      }
      hasTold = true
      return !followed.values.contains(where: \.isStale)
    }
  }

  /// Renews leases where it is time, and reads again what is to be.
  private mutating func refresh(
    from store: inout Store, _ changed: (NetworkName, OverlayKnowledge) throws(CNIError) -> Void
  ) throws(CNIError) {
    for (network, followed) in networks {
      var isDue = try !followed.entry.isRenewed() || followed.isStale
      if !isDue { isDue = try !followed.entry.isFollowed(by: followed.finding.view, at: &store) }
      guard isDue else { continue }
      let view = try followed.entry.register(withEndpoints: true, at: &store).view
      if !followed.finding.view.isBefore(view) {
        control.warn("\(network): etcd was emptied or restored: everything is read and registered again")
        try followed.entry.tellAgain(at: &store, followed.entry.record()?.lease, after: nil)
      }
      let finding = try followed.entry.finding(view, try followed.entry.record()) {
        if told.insert($0).inserted { control.warn($0) }
      }
      networks[network] = Followed(entry: followed.entry, finding: finding)
      if finding.knowledge != followed.finding.knowledge { try changed(network, finding.knowledge) }
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

  /// Whether what etcd holds now comes after `view`, with this host in it: asked by one request for one key.
  ///
  /// Where etcd was emptied or restored, a watch waits for a revision that is far in the future.
  fileprivate func isFollowed(by view: NetworkView, at store: inout Store) throws(CNIError) -> Bool {
    guard let key = try record()?.key else { return true }
    let outcome = try store.transact(EtcdTransaction([.read(.one(key))]))
    return view.isBefore(outcome) && outcome.found.first?.isEmpty == false
  }

  /// Whether this host's own entry is gone.
  fileprivate func isLost(_ view: NetworkView) throws(CNIError) -> Bool { view.own(host, try record()) == nil }
}

extension EtcdControl where Store: ~Copyable {
  /// Whether this host has an entry of that network, so that there is something to keep alive.
  public func isRegistered(_ network: NetworkName, _ plane: EtcdPlaneConfig) throws(CNIError) -> Bool {
    guard let record = try disk.host(network), record.prefix == plane.prefix else { return false }
    // Without a lease it is one for good, or was given up.
    return record.lease != nil || record.leaseSeconds == 0
  }

  /// Marks networks as followed while `body` runs.
  ///
  /// - Throws: code 11 where somebody else follows one of them; what `body` throws.
  public func following(_ networks: ArraySlice<NetworkName>, _ body: () throws(CNIError) -> Void) throws(CNIError) {
    guard let first = networks.first else { return try body() }
    let lock = try disk.lockWatch(first)
    try following(networks.dropFirst(), body)
    _ = consume lock
  }
}
