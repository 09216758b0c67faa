import CNI
import Etcd
import NetTypes

/// An entry to write, if etcd has not changed meanwhile.
struct EntryDraft: Equatable {
  var key: String
  var value: JSONValue
  /// The entry's revision; `nil`: a new entry.
  var revision: Int64?
  /// The entry's lease.
  var lease: EtcdLease?
  /// The network's configuration, if that must be written too.
  var config: EtcdPair?

  /// A new entry gets a lease, so that it ends when this host stops renewing it.
  var needsLease: Bool { revision == nil }

  /// Writes the entry; reads all of `keys` in any case, also if another host was faster.
  func transaction(_ lease: EtcdLease?, reading keys: [EtcdKeys]) -> EtcdTransaction {
    var conditions = [revision.map { EtcdTransaction.Condition.isUnchanged(key, since: $0) } ?? .isAbsent(key)]
    var operations = [EtcdTransaction.Operation.put(key, value.bytes, lease: lease)]
    if let config {
      conditions.append(.isAbsent(config.key))
      operations.append(.put(config.key, config.value, lease: nil))
    }
    let reads = keys.map { EtcdTransaction.Operation.read($0) }
    return EtcdTransaction(where: conditions, operations + reads, otherwise: reads)
  }
}

extension HostEntry where Store: ~Copyable {
  /// What must be done before this host's entry is complete.
  enum Step {
    case nothing
    /// The entry exists and has no lease.
    case remember(HostPair)
    case renew(HostPair, EtcdLease)
    case write(EntryDraft)
  }

  /// Decides the next step, or refuses the configuration.
  func step(_ view: NetworkView, _ record: HostRecord?) throws(CNIError) -> Step {
    let (configured, missing) = try configuration(view)
    try configured.requireAgreement(with: host)
    guard let own = view.own(host, record) else {
      return .write(try newEntry(view, record, configured, missing))
    }
    let value = value(configured, besides: own.value, mac: keptMAC(view, record))
    if let subnet = own.subnet { try requirePlace(subnet.prefixes, in: configured, own.pair.key) }
    guard value == own.value, missing == nil else {
      return .write(
        EntryDraft(
          key: own.pair.key, value: value, revision: own.pair.modified, lease: own.pair.lease, config: missing))
    }
    let isKnown = record?.key == own.pair.key && record?.lease == own.pair.lease && record?.local == host.local
    guard let lease = own.pair.lease else { return isKnown ? .nothing : .remember(own) }
    return isKnown && record?.isFresh(renewal, at: control.now()) == true ? .nothing : .renew(own, lease)
  }

  /// The network's configuration, and the pair to write if etcd has none.
  private func configuration(_ view: NetworkView) throws(CNIError) -> (FlannelNetwork, missing: EtcdPair?) {
    if let configured = try view.network() { return (configured, nil) }
    let key = FlannelNetwork.key(plane.prefix)
    guard let made = try FlannelNetwork.made(for: host, subnetLength: plane.subnetLength, at: key) else {
      throw CNIError(
        .invalidNetworkConfig,
        "etcd has no key \(key): want \"vni\" and \"network\" in this configuration, or in etcd what flannel reads: "
          + #"{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":1}}"#)
    }
    return (made.network, EtcdPair(key, made.value.bytes))
  }

  /// The MAC address in this host's entry, which other hosts use; the device may have another one.
  ///
  /// `nil` if the configuration sets one, or if etcd has no entry that matches this host's record.
  func keptMAC(_ view: NetworkView, _ record: HostRecord?) -> MACAddress? {
    guard host.vtepMAC == nil, let record, view.has(record) else { return nil }
    return view.hosts[record.key]?.tunnelMAC(host.mode, over: host.local.family)
  }

  private func value(_ configured: FlannelNetwork, besides value: JSONValue?, mac: MACAddress?) -> JSONValue {
    var host = host
    host.vtepMAC = host.vtepMAC ?? mac
    return switch host.mode {
    case .l2: BridgedHost.value(of: host, vni: configured.vni)
    case .l3: FlannelSubnet.value(of: host, vni: configured.vni, besides: value)
    }
  }

  private func newEntry(
    _ view: NetworkView, _ record: HostRecord?, _ configured: FlannelNetwork, _ missing: EtcdPair?
  ) throws(CNIError) -> EntryDraft {
    let key =
      switch host.mode {
      case .l2: BridgedKeys.hosts(plane.prefix) + host.local.description
      case .l3:
        FlannelSubnet.keys(plane.prefix) + FlannelSubnet.name(try subnets(view, record, configured))
      }
    return EntryDraft(key: key, value: value(configured, besides: nil, mac: keptMAC(view, record)), config: missing)
  }

  /// The recorded subnets of this host, or else free ones.
  ///
  /// - Throws: code 103 if another host has them by now, 102 if none is free.
  private func subnets(
    _ view: NetworkView, _ record: HostRecord?, _ configured: FlannelNetwork
  ) throws(CNIError) -> [IPPrefix] {
    let pools = try configured.pools()
    let taken = view.hosts.values.flatMap { other in (other.subnet?.prefixes ?? []).map { (prefix: $0, host: other) } }
    if let record, !record.subnets.isEmpty {
      let rival = taken.first { entry in record.subnets.contains { $0.overlaps(entry.prefix) } }
      if record.lease != nil {
        try requirePlace(record.subnets, in: configured, record.key)
        if let rival { throw lost(record, to: rival.host) }
        return record.subnets
      }
      // This host has given up its entry, so another host may have these subnets by now.
      if rival == nil, isPlace(record.subnets, in: configured) { return record.subnets }
    }
    return try chosen(pools, taken.map(\.prefix))
  }

  private func chosen(_ pools: [SubnetPool], _ taken: [IPPrefix]) throws(CNIError) -> [IPPrefix] {
    var subnets: [IPPrefix] = []
    for pool in pools {
      guard let free = pool.free(besides: taken, random: control.random) else {
        throw CNIError(
          .poolExhausted, "etcd \(plane.prefix): no /\(pool.length) from \(pool.first) to \(pool.last) is free")
      }
      subnets.append(free)
    }
    return subnets
  }

  private func lost(_ record: HostRecord, to rival: HostPair) -> CNIError {
    let subnets = record.subnets.map(\.description).joined(separator: ", ")
    let holder = rival.subnet?.address(host.local.family)?.description ?? "another host"
    return CNIError(
      .addressUnavailable,
      "etcd \(rival.pair.key): \(holder) has it since this host's lease of \(subnets) has ended, and containers here may use it",
      details: "remove this network's containers from this host, then \(control.disk.state)/\(network).json")
  }

  /// Refuses a changed network that no longer contains this host's subnets: its containers would lose their connection.
  private func requirePlace(
    _ subnets: [IPPrefix], in configured: FlannelNetwork, _ key: String
  ) throws(CNIError) {
    guard !isPlace(subnets, in: configured) else { return }
    let both = [subnets, configured.prefixes].map { $0.map(\.description).joined(separator: ", ") }
    throw CNIError(
      .invalidNetworkConfig,
      "etcd \(key): this host has \(both[0]): want a part of each of \(both[1]), as \(FlannelNetwork.key(plane.prefix)) has it",
      details: "where the network was changed: remove its containers from this host, the key, and "
        + "\(control.disk.state)/\(network).json")
  }

  private func isPlace(_ subnets: [IPPrefix], in configured: FlannelNetwork) -> Bool {
    let isWithin = subnets.allSatisfy { subnet in
      configured.prefixes.contains { $0.contains(subnet.first) && $0.contains(subnet.last) }
    }
    return isWithin && Set(subnets.map(\.family)) == Set(configured.prefixes.map(\.family))
  }
}
