import CNI
import Etcd
import NetTypes
import PacketFilter

/// A network's content of etcd, at one revision.
struct NetworkView {
  let prefix: String
  let mode: OverlayMode
  /// The family of the underlay.
  let family: IPFamily
  private(set) var config: EtcdPair?
  /// By key, each host's entry; in mode l3 with its subnet.
  private(set) var hosts: [String: HostPair] = [:]
  /// By key, each container's entry; only in mode l2, and if requested.
  private(set) var endpoints: [String: (vtep: IPAddress, endpoint: OverlayEndpoint)] = [:]
  /// By key, each container with labels; only in mode l3, and if requested.
  private(set) var labelled: [String: (vtep: IPAddress, member: FarMember)] = [:]
  private let withContainers: Bool
  /// The newest revision that was seen.
  private(set) var revision: Int64
  /// The cluster's ID.
  let cluster: String

  /// The keys of etcd that are read and watched.
  static func keys(_ prefix: String, _ mode: OverlayMode, withContainers: Bool) -> [EtcdKeys] {
    let hosts = mode == .l3 ? FlannelSubnet.keys(prefix) : BridgedKeys.hosts(prefix)
    let keys: [EtcdKeys] = [.one(FlannelNetwork.key(prefix)), .prefixed(hosts)]
    guard withContainers else { return keys }
    return keys + [.prefixed(mode == .l2 ? BridgedKeys.endpoints(prefix) : LabelledContainer.keys(prefix))]
  }

  /// Reads all keys in one transaction.
  static func read<Store: EtcdStore & ~Copyable>(
    _ prefix: String, for host: OverlayHost, withContainers: Bool, from store: inout Store
  ) throws(CNIError) -> NetworkView {
    let keys = keys(prefix, host.mode, withContainers: withContainers)
    return NetworkView(
      prefix, for: host, withContainers: withContainers, try store.transact(EtcdTransaction(keys.map { .read($0) })))
  }

  init(_ prefix: String, for host: OverlayHost, withContainers: Bool, _ outcome: EtcdOutcome) {
    self.withContainers = withContainers
    self.prefix = prefix
    mode = host.mode
    family = host.local.family
    revision = outcome.revision
    cluster = outcome.cluster
    for pair in outcome.readResults.joined() { put(pair) }
  }

  private var hostKeys: String { mode == .l3 ? FlannelSubnet.keys(prefix) : BridgedKeys.hosts(prefix) }

  private mutating func put(_ pair: EtcdPair) {
    if pair.key == FlannelNetwork.key(prefix) {
      config = pair
    } else if pair.key.hasPrefix(hostKeys) {
      hosts[pair.key] = HostPair(pair, mode, over: family)
    } else if pair.key.hasPrefix(BridgedKeys.endpoints(prefix)) {
      let name = Substring(pair.key.utf8.dropFirst(BridgedKeys.endpoints(prefix).utf8.count))
      endpoints[pair.key] = pair.json.flatMap { BridgedEndpoint.read(name, $0) }
    } else if pair.key.hasPrefix(LabelledContainer.keys(prefix)) {
      let name = Substring(pair.key.utf8.dropFirst(LabelledContainer.keys(prefix).utf8.count))
      labelled[pair.key] = pair.json.flatMap { LabelledContainer.read(name, $0) }
    }
  }

  /// Whether one of these changes belongs to this network.
  func concerns(_ events: EtcdEvents) -> Bool {
    events.events.contains { event in
      let key =
        switch event {
        case .put(let pair): pair.key
        case .deleted(let key): key
        }
      return key.hasPrefix("\(prefix)/")
    }
  }

  /// The view as it would be with this entry.
  func with(_ draft: EntryDraft) -> NetworkView {
    var view = self
    if let config = draft.config { view.put(config) }
    view.put(EtcdPair(draft.key, draft.value.bytes, lease: draft.lease))
    return view
  }

  /// The view after what was read of all its keys since its revision; `nil` if a key was deleted, or after a restore.
  func followed(by changes: EtcdOutcome) -> NetworkView? {
    var view = self
    for pair in changes.readResults.joined() { view.put(pair) }
    view.revision = changes.revision
    return isBefore(changes) && changes.keyCounts.reduce(0, +) == view.keyCount ? view : nil
  }

  /// The number of keys in etcd.
  var keyCount: Int { hosts.count + endpoints.count + labelled.count + (config == nil ? 0 : 1) }

  /// Removes the entries of a lease that was revoked.
  mutating func end(_ lease: EtcdLease) { hosts = hosts.filter { $0.value.pair.lease != lease } }

  /// Whether it has the entry in this host's record, with the same lease.
  func has(_ record: HostRecord) -> Bool {
    record.lease != nil && hosts[record.key].map { $0.pair.lease == record.lease } == true
  }

  /// Whether watch events can lead from this view to `other`: false after etcd was emptied or restored.
  func isBefore(_ other: EtcdOutcome) -> Bool { revision <= other.revision && cluster == other.cluster }

  func isBefore(_ other: NetworkView) -> Bool { revision <= other.revision && cluster == other.cluster }

  /// Applies later changes, in their order.
  mutating func follow(_ events: EtcdEvents) {
    for event in events.events {
      switch event {
      case .put(let pair): put(pair)
      case .deleted(FlannelNetwork.key(prefix)): config = nil
      case .deleted(let key):
        hosts[key] = nil
        endpoints[key] = nil
        labelled[key] = nil
      }
    }
    revision = max(revision, events.revisions.max() ?? events.revision)
  }
}

// MARK: contents

extension NetworkView {
  /// `nil` if etcd has no configuration of the network.
  func network() throws(CNIError) -> FlannelNetwork? {
    guard let config else { return nil }
    guard let value = config.json else {
      throw CNIError(.invalidNetworkConfig, "etcd \(config.key): not a JSON object: want a network in flannel's format")
    }
    return try FlannelNetwork(value, at: config.key)
  }

  /// This host's own entry, found by its address or, after its address changed, by its record.
  func own(_ host: OverlayHost, _ record: HostRecord?) -> HostPair? {
    if let record, let hostEntry = hosts[record.key] {
      // In mode l2 the key contains the address.
      let isRecorded = mode == .l3 && record.lease != nil && hostEntry.pair.lease == record.lease
      if isOwn(hostEntry, host) || isRecorded { return hostEntry }
    }
    return hosts.values.filter { isOwn($0, host) }.min { $0.pair.key < $1.pair.key }
  }

  private func isOwn(_ hostEntry: HostPair, _ host: OverlayHost) -> Bool {
    switch mode {
    case .l2: hostEntry.pair.key == hostKeys + host.local.description
    case .l3: hostEntry.subnet?.address(host.local.family) == host.local
    }
  }

  /// All other hosts, sorted by address; warns about entries that are ignored.
  ///
  /// `lease` is this host's lease.
  func peers(of host: OverlayHost, own: HostPair?, lease: EtcdLease?, warn: (String) -> Void) -> [OverlayPeer] {
    let peers =
      switch mode {
      case .l2: bridgedPeers(of: host, lease: lease, warn: warn)
      case .l3:
        hosts.values.compactMap { $0.pair.key == own?.pair.key ? nil : routedPeer($0, of: host, warn: warn) }
      }
    return peers.sorted { $0.vtep < $1.vtep }
  }

  /// The containers with labels on other hosts than this one, sorted; `nil` if they were not read.
  func members(besides local: IPAddress) -> [FarMember]? {
    guard mode == .l3, withContainers else { return nil }
    return labelled.values.filter { $0.vtep != local }.map { $0.member }.sorted { $0.address < $1.address }
  }

  private func routedPeer(_ hostEntry: HostPair, of host: OverlayHost, warn: (String) -> Void) -> OverlayPeer? {
    switch hostEntry.peer {
    // Another entry with this host's address is an old one of this host.
    case .usable(let peer) where peer.vtep == host.local: return nil
    case .usable(let peer):
      for prefix in hostEntry.subnet?.prefixes ?? [] where !peer.subnets.contains(prefix) {
        warn(
          "etcd \(hostEntry.pair.key): \(prefix) is ignored: flanneld has another device for it, want it IPv4 only")
      }
      return peer
    case .unusable(let reason):
      warn("etcd \(hostEntry.pair.key) is ignored: \(reason)")
      return nil
    }
  }

  private func bridgedPeers(
    of host: OverlayHost, lease: EtcdLease?, warn: (String) -> Void
  ) -> [OverlayPeer] {
    var peers: [IPAddress: OverlayPeer] = [:]
    // An entry with this host's lease is this host at its former address.
    for hostEntry in hosts.values where lease == nil || hostEntry.pair.lease != lease {
      switch hostEntry.peer {
      case .usable(let peer): peers[peer.vtep] = peer
      case .unusable(let reason): warn("etcd \(hostEntry.pair.key) is ignored: \(reason)")
      }
    }
    peers[host.local] = nil
    // An endpoint without its host is about to end: both have the same lease.
    for (_, entry) in endpoints.sorted(by: { $0.key < $1.key }) { peers[entry.vtep]?.endpoints.append(entry.endpoint) }
    return Array(peers.values)
  }
}

extension EtcdPair {
  /// `nil` if the value is not a JSON object.
  var json: JSONValue? {
    let value = try? CNIJSON.decodeValue(value)  // warnings name the key, so the parse error is not needed
    return value?.object == nil ? nil : value
  }
}

/// A host's entry, parsed.
struct HostPair: Equatable {
  var pair: EtcdPair
  /// `nil` if the value is not a JSON object.
  var value: JSONValue?
  /// In mode l3; `nil` if the key is not in flannel's format.
  var subnet: FlannelSubnet?
  /// The host as a peer, parsed once: a watch makes the list of peers again after each change.
  var peer: Peer

  enum Peer: Equatable {
    case usable(OverlayPeer)
    /// With the reason.
    case unusable(String)
  }

  /// The MAC address of its VXLAN device.
  func tunnelMAC(_ mode: OverlayMode, over family: IPFamily) -> MACAddress? {
    let data = mode == .l2 ? value : value?[family == .v4 ? "BackendData" : "BackendV6Data"]
    return data?[mode == .l2 ? "vtepMac" : "VtepMAC"]?.string.flatMap(MACAddress.init)
  }

  init(_ pair: EtcdPair, _ mode: OverlayMode, over family: IPFamily) {
    self.pair = pair
    value = pair.json
    if let value, let slash = pair.key.lastIndex(of: "/"),
      let prefixes = FlannelSubnet.prefixes(pair.key[pair.key.index(after: slash)...])
    {
      subnet = FlannelSubnet(prefixes: prefixes, value: value)
    }
    peer = mode == .l2 ? Self.bridgedPeer(value, over: family) : Self.routedPeer(subnet, over: family)
  }

  private static func bridgedPeer(_ value: JSONValue?, over family: IPFamily) -> Peer {
    guard let peer = value.flatMap(BridgedHost.peer), peer.vtep.family == family else {
      return .unusable("it has no IPv\(family.digit) address")
    }
    return .usable(peer)
  }

  private static func routedPeer(_ subnet: FlannelSubnet?, over family: IPFamily) -> Peer {
    guard let subnet else { return .unusable("it is not a host's subnet in flannel's format") }
    do throws(UnusablePeer) { return .usable(try subnet.peer(over: family)) } catch { return .unusable(error.reason) }
  }
}
