import CNI
import CNIJSON
import Etcd
import NetTypes
import Overlay

/// What etcd holds of a network, at one revision.
struct NetworkView {
  let prefix: String
  let mode: OverlayMode
  private(set) var config: EtcdPair?
  /// Of each host, in mode l3 its subnet.
  private(set) var hosts: [String: EtcdPair] = [:]
  /// Of each container, in mode l2 where they were asked for.
  private(set) var endpoints: [String: EtcdPair] = [:]
  private(set) var revision: Int64

  /// What of etcd is read, and watched.
  static func keys(_ prefix: String, _ mode: OverlayMode, withEndpoints: Bool) -> [EtcdKeys] {
    let hosts = mode == .l3 ? FlannelSubnet.keys(prefix) : BridgedKeys.hosts(prefix)
    let keys: [EtcdKeys] = [.one(FlannelNetwork.key(prefix)), .prefixed(hosts)]
    return withEndpoints && mode == .l2 ? keys + [.prefixed(BridgedKeys.endpoints(prefix))] : keys
  }

  /// Asks for all of it in one go.
  static func read<Store: EtcdStore & ~Copyable>(
    _ prefix: String, _ mode: OverlayMode, withEndpoints: Bool, from store: inout Store
  ) throws(CNIError) -> NetworkView {
    let keys = keys(prefix, mode, withEndpoints: withEndpoints)
    return NetworkView(prefix, mode, try store.transact(EtcdTransaction(keys.map { .read($0) })))
  }

  init(_ prefix: String, _ mode: OverlayMode, _ outcome: EtcdOutcome) {
    self.prefix = prefix
    self.mode = mode
    revision = outcome.revision
    for pair in outcome.found.joined() { put(pair) }
  }

  private var hostKeys: String { mode == .l3 ? FlannelSubnet.keys(prefix) : BridgedKeys.hosts(prefix) }

  private mutating func put(_ pair: EtcdPair) {
    if pair.key == FlannelNetwork.key(prefix) {
      config = pair
    } else if pair.key.hasPrefix(hostKeys) {
      hosts[pair.key] = pair
    } else if pair.key.hasPrefix(BridgedKeys.endpoints(prefix)) {
      endpoints[pair.key] = pair
    }
  }

  /// Follows changes that came after this view.
  mutating func follow(_ events: EtcdEvents) {
    guard events.revision > revision else { return }
    revision = events.revision
    for event in events.events {
      switch event {
      case .put(let pair): put(pair)
      case .deleted(FlannelNetwork.key(prefix)): config = nil
      case .deleted(let key):
        hosts[key] = nil
        endpoints[key] = nil
      }
    }
  }
}

// MARK: what it says

extension NetworkView {
  /// `nil` where nobody has configured the network.
  func network() throws(CNIError) -> FlannelNetwork? {
    guard let config else { return nil }
    guard let value = config.json else {
      throw CNIError(.invalidNetworkConfig, "etcd \(config.key): not a JSON object: want a network as flannel has it")
    }
    return try FlannelNetwork(value, at: config.key)
  }

  /// This host's own entry: by its address, or as it remembers it from when it had another one.
  func own(_ host: OverlayHost, _ record: HostRecord?) -> EtcdPair? {
    if let record, let pair = hosts[record.key], isOwn(pair, host) || record.lease != nil && pair.lease == record.lease
    {
      // In mode l2 the key is the address.
      if mode == .l3 || isOwn(pair, host) { return pair }
    }
    return hosts.values.filter { isOwn($0, host) }.min { $0.key < $1.key }
  }

  private func isOwn(_ pair: EtcdPair, _ host: OverlayHost) -> Bool {
    switch mode {
    case .l2: pair.key == hostKeys + host.local.description
    case .l3: pair.subnet?.address(host.local.family) == host.local
    }
  }

  /// All other hosts in no order; what is no host that this one reaches is told.
  func peers(of host: OverlayHost, own: EtcdPair?, warn: (String) -> Void) -> [OverlayPeer] {
    switch mode {
    case .l2: bridgedPeers(of: host, warn: warn)
    case .l3: hosts.values.filter { $0.key != own?.key }.compactMap { routedPeer($0, of: host, warn: warn) }
    }
  }

  private func routedPeer(_ pair: EtcdPair, of host: OverlayHost, warn: (String) -> Void) -> OverlayPeer? {
    guard let subnet = pair.subnet else {
      warn("etcd \(pair.key) is left out: it is no host's subnet as flannel has it")
      return nil
    }
    do throws(NoPeer) {
      let peer = try subnet.peer(over: host.local.family)
      for prefix in subnet.prefixes where !peer.subnets.contains(prefix) {
        warn("etcd \(pair.key): \(prefix) is left out: flanneld has another device for it, want it IPv4 only")
      }
      // An address of ours that is another entry's is one of a former life.
      return peer.vtep == host.local ? nil : peer
    } catch {
      warn("etcd \(pair.key) is left out: \(error.reason)")
      return nil
    }
  }

  private func bridgedPeers(of host: OverlayHost, warn: (String) -> Void) -> [OverlayPeer] {
    var peers: [IPAddress: OverlayPeer] = [:]
    for pair in hosts.values {
      guard let peer = pair.json.flatMap(BridgedHost.peer), peer.vtep.family == host.local.family else {
        warn("etcd \(pair.key) is left out: it has no IPv\(host.local.family.digit) address")
        continue
      }
      peers[peer.vtep] = peer
    }
    peers[host.local] = nil
    let start = BridgedKeys.endpoints(prefix).utf8.count
    for pair in endpoints.values.sorted(by: { $0.key < $1.key }) {
      let name = Substring(pair.key.utf8.dropFirst(start))
      guard let value = pair.json, let entry = BridgedEndpoint.read(name, value)
      else { continue }
      // Without its host it is on its way out: they have one lease.
      peers[entry.vtep]?.endpoints.append(entry.endpoint)
    }
    return Array(peers.values)
  }
}

extension EtcdPair {
  /// `nil` where the value is no JSON object.
  var json: JSONValue? {
    let value = try? CNIJSON.decodeValue(value)  // whoever wrote something else is told of by its key
    return value?.object == nil ? nil : value
  }

  /// A host's subnet; `nil` where this is none.
  var subnet: FlannelSubnet? {
    guard let slash = key.lastIndex(of: "/"), let prefixes = FlannelSubnet.prefixes(key[key.index(after: slash)...]),
      let json
    else { return nil }
    return FlannelSubnet(prefixes: prefixes, value: json)
  }
}
