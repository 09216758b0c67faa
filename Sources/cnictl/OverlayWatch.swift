import CNI
import CNIRuntime
import Etcd
import Linux
import NetTypes
import Overlay

/// Follows the control planes of this host's overlay networks until it is stopped.
///
/// Whatever it was doing then is done by the next start: what it changes is always made from all that is known.
struct OverlayWatch<Store: EtcdStore & ~Copyable> {
  let common: CommonOptions
  let host: OverlaySync<Store>
  /// Empty: every network.
  let chosen: [NetworkName]
  /// Between looks at files.
  let seconds: Int
  /// What went wrong last with each network or cluster, so that it is told once.
  private var troubles: [String: String] = [:]
  private var warned: Set<String> = []

  init(common: CommonOptions, host: OverlaySync<Store>, chosen: [NetworkName], seconds: Int) {
    self.common = common
    self.host = host
    self.chosen = chosen
    self.seconds = seconds
  }

  /// - Throws: code 7 for a name that is none; code 11 where another process follows a network already.
  mutating func run() throws(CNIError) {
    while true {
      let networks = try look()
      let followed = try inEtcd(networks)
      // The closure is done before this one is used again.
      var watch = self
      defer { self = watch }
      try host.control.following(followed.map(\.name)[...]) { () throws(CNIError) in
        try watch.follow(networks, followed)
      }
    }
  }

  private mutating func look() throws(CNIError) -> [OverlayNetwork] {
    let contents = try common.networks.load()
    for fault in contents.faults where warned.insert("\(fault)").inserted {
      warn("\(fault.file) cannot be used: \(fault.reason)")
    }
    return try OverlayNetwork.all(in: contents, named: chosen)
  }

  /// Those for which etcd is to be followed: others know this host.
  private func inEtcd(_ networks: [OverlayNetwork]) throws(CNIError) -> [OverlayNetwork] {
    var followed: [OverlayNetwork] = []
    for network in networks {
      guard let plane = network.etcdPlane, try host.control.isRegistered(network.name, plane) else { continue }
      followed.append(network)
    }
    return followed
  }

  /// Goes on as long as the networks are the same.
  private mutating func follow(_ networks: [OverlayNetwork], _ followed: [OverlayNetwork]) throws(CNIError) {
    let host = host
    var clusters = Cluster<Store>.all(of: followed, host)
    repeat {
      for network in networks where network.etcdPlane == nil {
        attempt("\(network.name)") { () throws(CNIError) in report(network, try host.sync(network)) }
      }
      let directory = common.networks, names = chosen
      attempt("names") { () throws(CNIError) in try refreshNames(of: directory.load(), named: names) }
      let share = max(1, seconds / max(1, clusters.count))
      for index in clusters.indices {
        var cluster = clusters[index]
        attempt(cluster.etcd.endpoints[0]) { () throws(CNIError) in try cluster.follow(seconds: share, host) }
        clusters[index] = cluster
      }
      // A cluster that is silent has not waited.
      if clusters.isEmpty || clusters.contains(where: { troubles[$0.etcd.endpoints[0]] != nil }) {
        Clock.sleep(milliseconds: 1000 * min(seconds, 5))
      }
    } while try isSame(networks, followed)
  }

  private mutating func isSame(_ networks: [OverlayNetwork], _ followed: [OverlayNetwork]) throws(CNIError) -> Bool {
    let now = try look()
    let nowFollowed = try inEtcd(now)
    return now == networks && nowFollowed == followed
  }

  /// What fails is told once, and tried again.
  private mutating func attempt(_ what: String, _ body: () throws(CNIError) -> Void) {
    do throws(CNIError) {
      try body()
      if troubles.removeValue(forKey: what) != nil { warn("\(what): answers again") }
    } catch {
      if troubles.updateValue(error.message, forKey: what) == nil { warn("\(what): \(error)") }
    }
  }
}

/// The networks that one etcd tells of.
private struct Cluster<Store: EtcdStore & ~Copyable> {
  let etcd: EtcdConfig
  var networks: [(network: OverlayNetwork, local: IPAddress?)] = []
  var follower: EtcdFollower<Store>

  static func all(of networks: [OverlayNetwork], _ host: OverlaySync<Store>) -> [Cluster] {
    var clusters: [Cluster] = []
    for network in networks {
      guard let plane = network.etcdPlane else { continue }
      let index = clusters.firstIndex { $0.etcd == plane.etcd } ?? clusters.count
      if index == clusters.count {
        clusters.append(Cluster(etcd: plane.etcd, follower: EtcdFollower(host.control, at: plane.etcd)))
      }
      clusters[index].networks.append((network, nil))
    }
    return clusters
  }

  mutating func follow(seconds: Int, _ host: OverlaySync<Store>) throws(CNIError) {
    for (index, entry) in networks.enumerated() {
      guard let plane = entry.network.etcdPlane else { continue }
      // Its address may have changed.
      let own = try host.host(in: entry.network)
      if entry.local != own.local {
        _ = try follower.begin(entry.network.name, plane, as: own)
        networks[index].local = own.local
      }
      // Also what somebody else has changed meanwhile.
      if let local = networks[index].local, let knowledge = follower.knowledge(of: entry.network.name) {
        report(entry.network, try host.apply(knowledge, of: entry.network, from: local))
      }
    }
    let known = networks
    try follower.follow(seconds: seconds) { (name, knowledge) throws(CNIError) in
      guard let entry = known.first(where: { $0.network.name == name }), let local = entry.local else { return }
      report(entry.network, try host.apply(knowledge, of: entry.network, from: local))
    }
  }
}

private func report(_ network: OverlayNetwork, _ count: Int) {
  if count > 0 { warn("\(network.name): \(count) changed") }
}
