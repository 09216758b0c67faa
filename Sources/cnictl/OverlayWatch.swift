import CNI
import CNIRuntime
import Etcd
import Linux
import NetTypes
import Overlay

/// Watches the control planes of this host's overlay networks until it is stopped.
///
/// It can be stopped at any time: each change is computed from the whole state, so the next start completes it.
struct OverlayWatch<Store: EtcdStore & ~Copyable> {
  let common: CommonOptions
  let host: OverlaySync<Store>
  /// Names of networks; empty: all.
  let chosen: [NetworkName]
  /// The time between two reads of files, in seconds.
  let seconds: Int
  /// The last error of each network or cluster, so that each error is printed once.
  private var lastErrors: [String: String] = [:]
  private var warned: Set<String> = []

  init(common: CommonOptions, host: OverlaySync<Store>, chosen: [NetworkName], seconds: Int) {
    self.common = common
    self.host = host
    self.chosen = chosen
    self.seconds = seconds
  }

  /// Runs until it fails or is stopped.
  ///
  /// - Throws: code 7 for a name that is not such a network; code 11 if another process watches a network already.
  mutating func run() throws(CNIError) {
    while true {
      let networks = try loadNetworks()
      let watchedNetworks = try registeredInEtcd(networks)
      // A copy: `holdingWatchLocks` reads `self` while the closure changes it. The copy is written back afterwards.
      var watch = self
      defer { self = watch }
      try host.control.holdingWatchLocks(watchedNetworks.map(\.name)[...]) { () throws(CNIError) in
        try watch.follow(networks, watchedNetworks)
      }
    }
  }

  private mutating func loadNetworks() throws(CNIError) -> [OverlayNetwork] {
    let contents = try common.networks.load()
    for fault in contents.faults where warned.insert("\(fault)").inserted {
      warn("\(fault.file) cannot be used: \(fault.reason)")
    }
    return try OverlayNetwork.all(in: contents, named: chosen)
  }

  /// The networks to watch in etcd: those where this host is registered.
  private func registeredInEtcd(_ networks: [OverlayNetwork]) throws(CNIError) -> [OverlayNetwork] {
    var watchedNetworks: [OverlayNetwork] = []
    for network in networks {
      guard let plane = network.etcdPlane, try host.control.isRegistered(network.name, plane) else { continue }
      watchedNetworks.append(network)
    }
    return watchedNetworks
  }

  /// Watches until the networks or their configurations change.
  private mutating func follow(_ networks: [OverlayNetwork], _ watchedNetworks: [OverlayNetwork]) throws(CNIError) {
    let host = host
    var clusters = Cluster<Store>.all(of: watchedNetworks, host)
    repeat {
      for network in networks where network.etcdPlane == nil {
        attempt("\(network.name)") { () throws(CNIError) in report(network, try host.sync(network)) }
      }
      let directory = common.networks, names = chosen
      attempt("names") { () throws(CNIError) in try refreshNames(of: directory.load(), named: names) }
      attempt("services") { () throws(CNIError) in try refreshServices(of: directory.load(), named: names) }
      let share = max(1, seconds / max(1, clusters.count))
      for index in clusters.indices {
        var cluster = clusters[index]
        attempt(cluster.etcd.endpoints[0]) { () throws(CNIError) in try cluster.follow(seconds: share, host) }
        clusters[index] = cluster
      }
      // A cluster that does not answer returns at once.
      if clusters.isEmpty || clusters.contains(where: { lastErrors[$0.etcd.endpoints[0]] != nil }) {
        Clock.sleep(milliseconds: 1000 * min(seconds, 5))
      }
    } while try isSame(networks, watchedNetworks)
  }

  private mutating func isSame(_ networks: [OverlayNetwork], _ watchedNetworks: [OverlayNetwork]) throws(CNIError)
    -> Bool
  {
    let currentNetworks = try loadNetworks()
    let currentWatched = try registeredInEtcd(currentNetworks)
    return currentNetworks == networks && currentWatched == watchedNetworks
  }

  /// Runs `body`; prints a repeated error only once.
  private mutating func attempt(_ what: String, _ body: () throws(CNIError) -> Void) {
    do throws(CNIError) {
      try body()
      if lastErrors.removeValue(forKey: what) != nil { warn("\(what): answers again") }
    } catch {
      if lastErrors.updateValue(error.message, forKey: what) == nil { warn("\(what): \(error)") }
    }
  }
}

/// The networks with the same etcd cluster.
private struct Cluster<Store: EtcdStore & ~Copyable> {
  /// After changes the watch rests for so many times what they took, so that it uses a part of one core only.
  private static var rest: Int { 9 }

  let etcd: EtcdConfig
  private var networks: [FollowedNetwork] = []
  private var watcher: EtcdWatcher<Store>

  private init(_ etcd: EtcdConfig, _ host: OverlaySync<Store>) {
    self.etcd = etcd
    watcher = EtcdWatcher(host.control, at: etcd, rest: Self.rest)
  }

  static func all(of networks: [OverlayNetwork], _ host: OverlaySync<Store>) -> [Cluster] {
    var clusters: [Cluster] = []
    for network in networks {
      guard let plane = network.etcdPlane else { continue }
      let index = clusters.firstIndex { $0.etcd == plane.etcd } ?? clusters.count
      if index == clusters.count { clusters.append(Cluster(plane.etcd, host)) }
      clusters[index].networks.append(FollowedNetwork(network: network))
    }
    return clusters
  }

  mutating func follow(seconds: Int, _ host: OverlaySync<Store>) throws(CNIError) {
    for index in networks.indices {
      guard let plane = networks[index].network.etcdPlane else { continue }
      // This host's address may have changed.
      let own = try host.host(in: networks[index].network)
      if networks[index].local != own.local {
        _ = try watcher.begin(networks[index].network.name, plane, as: own)
        networks[index].local = own.local
      }
      // Also repairs what other programs have changed meanwhile.
      networks[index].applied = nil
      if let controlState = watcher.controlState(of: networks[index].network.name) {
        try networks[index].apply(controlState, host)
      }
    }
    // `watcher` is busy during the callback, so it must not change `self`.
    var followed = networks
    defer { networks = followed }
    try watcher.follow(seconds: seconds) { (name, controlState) throws(CNIError) in
      guard let index = followed.firstIndex(where: { $0.network.name == name }) else { return }
      try followed[index].apply(controlState, host)
    }
  }
}

/// A network that is followed, and what was applied of it last.
private struct FollowedNetwork {
  let network: OverlayNetwork
  /// This host's underlay address.
  var local: IPAddress?
  /// `nil`: unknown, so the whole host is compared.
  var applied: OverlayReconciler?

  mutating func apply<Store: EtcdStore & ~Copyable>(
    _ controlState: ControlPlaneState, _ host: OverlaySync<Store>
  ) throws(CNIError) {
    guard let local else { return }
    let last = applied
    // If it fails, the host's state is unknown.
    applied = nil
    let now = try host.apply(controlState, after: last, of: network, from: local)
    applied = now.state
    report(network, now.count)
  }
}

private func report(_ network: OverlayNetwork, _ count: Int) {
  if count > 0 { warn("\(network.name): \(count) changed") }
}
