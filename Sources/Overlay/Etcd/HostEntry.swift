import CNI
import Etcd
import Linux
import NetTypes

/// This host's own entry in etcd: its subnet in mode l3, its address in mode l2.
struct HostEntry<Store: EtcdStore & ~Copyable> {
  let control: EtcdControlPlane<Store>
  let plane: EtcdPlaneConfig
  let network: NetworkName
  let host: OverlayHost
  /// The lease is renewed after this part of its time: 2 means one half.
  var renewal = 2
  /// Suppresses warnings about ignored entries, which were printed before.
  var isQuiet = false

  /// The content of etcd, and the network's state derived from it.
  struct Snapshot {
    var view: NetworkView
    var controlState: ControlPlaneState
  }

  /// How often another host may change etcd first.
  private static var attempts: Int { 16 }

  /// This host's record, if it is for the same prefix in etcd.
  func record() throws(CNIError) -> HostRecord? {
    guard let record = try control.records.host(network), record.prefix == plane.prefix else { return nil }
    return record
  }

  func read(_ store: inout Store, withContainers: Bool) throws(CNIError) -> NetworkView {
    try NetworkView.read(plane.prefix, for: host, withContainers: withContainers, from: &store)
  }

  /// For ADD: one request if the entry is complete; otherwise makes, renews and records the entry.
  ///
  /// `check` can refuse what is about to be written.
  func register(
    withContainers: Bool, _ check: (ControlPlaneState) throws(CNIError) -> Void = { (_) throws(CNIError) in }
  ) throws(CNIError) -> Snapshot {
    var store = try control.open(plane.etcd)
    return try register(withContainers: withContainers, at: &store, check)
  }

  func register(
    withContainers: Bool, at store: inout Store,
    _ check: (ControlPlaneState) throws(CNIError) -> Void = { (_) throws(CNIError) in }
  ) throws(CNIError) -> Snapshot {
    let storedRecord = try record()
    let view = try read(&store, withContainers: withContainers)
    if case .nothing = try step(view, storedRecord) { return try snapshot(view, storedRecord) }
    // Two plugin processes on this host must not make two entries.
    let lock = try control.records.lock(network)
    let isSame = try record() == storedRecord
    let settled = try completeEntry(
      &store, isSame ? view : try read(&store, withContainers: withContainers), withContainers: withContainers, check)
    _ = consume lock
    return settled
  }

  private func completeEntry(
    _ store: inout Store, _ initialView: NetworkView, withContainers: Bool,
    _ check: (ControlPlaneState) throws(CNIError) -> Void
  ) throws(CNIError) -> Snapshot {
    var view = initialView
    var spare: EtcdLease?
    for _ in 0..<Self.attempts {
      let storedRecord = try record()
      switch try step(view, storedRecord) {
      case .nothing:
        if let spare { try store.revoke(spare) }
        return try snapshot(view, storedRecord)
      case .saveRecord(let own): try saveRecord(own, view, seconds: 0)
      case .renew(let own, let lease):
        if let seconds = try store.keepAlive(lease) {
          try saveRecord(own, view, seconds: seconds)
        } else {
          view = try read(&store, withContainers: withContainers)
        }
      case .write(let draft):
        try check(snapshot(view.with(draft), storedRecord) { _ in }.controlState)
        view = try write(draft, after: view, to: &store, spare: &spare, withContainers: withContainers)
      }
    }
    throw CNIError(.tryAgainLater, "etcd \(plane.prefix): other hosts changed it \(Self.attempts) times in a row")
  }

  /// Writes the entry, with a lease if it is a new one.
  ///
  /// - Returns: the content of etcd afterwards, whether this host or another one has written.
  private func write(
    _ draft: EntryDraft, after before: NetworkView, to store: inout Store, spare: inout EtcdLease?, withContainers: Bool
  ) throws(CNIError) -> NetworkView {
    let storedRecord = try record()
    var lease = draft.lease
    if draft.needsLease {
      if spare == nil { spare = try store.grantLease(seconds: plane.leaseSeconds) }
      lease = spare
    }
    let keys = NetworkView.keys(plane.prefix, host.mode, withContainers: withContainers)
    let outcome = try store.transact(draft.transaction(lease, readingChangesOf: keys, since: before.revision))
    let next = before.followed(by: outcome)
    var view = if let next { next } else { try read(&store, withContainers: withContainers) }
    guard outcome.isSuccess, let own = view.hosts[draft.key] else { return view }
    if draft.needsLease {
      guard hasNoOlderOverlap(own, view) else {
        _ = try store.transact(
          EtcdTransaction(where: [.hasValue(own.pair.key, own.pair.value)], [.delete(.one(own.pair.key))]))
        return try read(&store, withContainers: withContainers)
      }
      spare = nil
    }
    try saveRecord(own, view, seconds: draft.needsLease ? plane.leaseSeconds : 0)
    if draft.needsLease {
      try republish(at: &store, lease, after: storedRecord)
      if host.mode == .l2, let old = storedRecord?.lease, old != lease { view.end(old) }
    }
    return view
  }

  /// Whether no older entry overlaps: another host may have written another key with an overlapping subnet at the same time.
  private func hasNoOlderOverlap(_ own: HostPair, _ view: NetworkView) -> Bool {
    guard let subnet = own.subnet else { return true }
    return !view.hosts.values.contains { other in
      other.pair.key != own.pair.key && other.pair.modified < own.pair.modified
        && (other.subnet?.prefixes ?? []).contains { prefix in subnet.prefixes.contains { $0.overlaps(prefix) } }
    }
  }

  /// Records the entry on disk; with `seconds` 0 the recorded time of its lease stays.
  private func saveRecord(_ own: HostPair, _ view: NetworkView, seconds: Int) throws(CNIError) {
    guard let configured = try view.network() else { return }
    let storedRecord = try record()
    var record = HostRecord(
      prefix: plane.prefix, key: own.pair.key, local: host.local, leaseSeconds: seconds, renewed: control.now(),
      vni: configured.vni, port: configured.port)
    record.subnets = own.subnet?.prefixes ?? []
    record.lease = own.pair.lease
    record.network = configured.prefixes
    if seconds == 0, let storedRecord, storedRecord.lease == own.pair.lease {
      record.leaseSeconds = storedRecord.leaseSeconds
      record.renewed = storedRecord.renewed
    }
    try control.records.save(record, of: network)
  }

  /// The network's state from etcd's entries, without this host's own.
  func snapshot(_ view: NetworkView, _ record: HostRecord?) throws(CNIError) -> Snapshot {
    try snapshot(view, record) { if !isQuiet { control.warn($0) } }
  }

  func snapshot(
    _ view: NetworkView, _ record: HostRecord?, warn: (String) -> Void
  ) throws(CNIError) -> Snapshot {
    Snapshot(view: view, controlState: try controlState(view, record, warn: warn))
  }

  func controlState(
    _ view: NetworkView, _ record: HostRecord?, warn: (String) -> Void
  ) throws(CNIError) -> ControlPlaneState {
    let own = view.own(host, record)
    var controlState = ControlPlaneState()
    if let configured = try view.network() {
      try configured.requireAgreement(with: host)
      controlState.network = configured.prefixes
      controlState.vni = configured.vni
      controlState.port = configured.port
      controlState.isDirectRouting = configured.isDirectRouting
    }
    controlState.ownSubnets = own?.subnet?.prefixes ?? []
    controlState.vtepMAC = registeredMAC(view, record)
    controlState.peers = view.peers(of: host, own: own, lease: record?.lease, warn: warn)
    controlState.members = view.members(besides: host.local)
    return controlState
  }
}

// MARK: reading only

extension HostEntry where Store: ~Copyable {
  /// For CHECK: reads the network's state.
  ///
  /// - Throws: code 101 if etcd has no entry of this host.
  func readState(withContainers: Bool) throws(CNIError) -> ControlPlaneState {
    var store = try control.open(plane.etcd)
    let storedRecord = try record()
    let view = try read(&store, withContainers: withContainers)
    guard view.own(host, storedRecord) != nil else {
      throw CNIError(.differences, "etcd \(plane.prefix) has no entry of this host, \(host.local)")
    }
    return try snapshot(view, storedRecord).controlState
  }

  /// For STATUS: reads the network's state and what an ADD would write.
  ///
  /// - Throws: code 11 if etcd does not answer and this host has no record; 50 if no subnet is free; 51 if this host's lease has
  ///   expired, so that other hosts have removed its containers.
  func status() throws(CNIError) -> ControlPlaneState {
    let storedRecord = try record()
    let view: NetworkView
    do throws(CNIError) {
      var store = try control.open(plane.etcd)
      view = try read(&store, withContainers: false)
    } catch  where error.code == .tryAgainLater {
      guard let storedRecord else { throw error }
      guard storedRecord.lease == nil || storedRecord.isFresh(1, at: control.now()) else {
        throw leaseExpired(storedRecord, error.message)
      }
      return storedRecord.controlState
    }
    if view.own(host, storedRecord) == nil, let storedRecord, storedRecord.lease != nil, !view.has(storedRecord) {
      throw leaseExpired(storedRecord, "etcd has no entry \(storedRecord.key)")
    }
    do throws(CNIError) {
      // The IPAM plugin is checked with the subnet that an ADD would take.
      if case .write(let draft) = try step(view, storedRecord) {
        return try snapshot(view.with(draft), storedRecord).controlState
      }
    } catch  where error.code == .poolExhausted {
      throw CNIError(.notAvailable, error.message, details: error.details)
    }
    return try snapshot(view, storedRecord).controlState
  }

  private func leaseExpired(_ record: HostRecord, _ reason: String) -> CNIError {
    CNIError(
      .limitedConnectivity, "this host's lease of \(record.key) has expired: \(reason)",
      details: "the next ADD acquires it again; cnictl overlay sync --watch renews it")
  }
}

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

  /// Writes the entry; reads what has changed of `keys` in any case, also if another host was faster.
  func transaction(
    _ lease: EtcdLease?, readingChangesOf keys: [EtcdKeys], since seen: Int64
  ) -> EtcdTransaction {
    var conditions = [revision.map { EtcdTransaction.Condition.isUnchanged(key, since: $0) } ?? .isAbsent(key)]
    var operations = [EtcdTransaction.Operation.put(key, value.bytes, lease: lease)]
    if let config {
      conditions.append(.isAbsent(config.key))
      operations.append(.put(config.key, config.value, lease: nil))
    }
    let reads = keys.map { EtcdTransaction.Operation.readChanges($0, since: seen) }
    return EtcdTransaction(where: conditions, operations + reads, otherwise: reads)
  }
}

extension HostEntry where Store: ~Copyable {
  /// What must be done before this host's entry is complete.
  enum Step {
    case nothing
    /// The entry exists and has no lease.
    case saveRecord(HostPair)
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
    let value = value(configured, besides: own.value, mac: registeredMAC(view, record))
    if let subnet = own.subnet { try requireSubnets(subnet.prefixes, in: configured, own.pair.key) }
    guard value == own.value, missing == nil else {
      return .write(
        EntryDraft(
          key: own.pair.key, value: value, revision: own.pair.modified, lease: own.pair.lease, config: missing))
    }
    let isRecorded = record?.key == own.pair.key && record?.lease == own.pair.lease && record?.local == host.local
    guard let lease = own.pair.lease else { return isRecorded ? .nothing : .saveRecord(own) }
    return isRecorded && record?.isFresh(renewal, at: control.now()) == true ? .nothing : .renew(own, lease)
  }

  /// The network's configuration, and the pair to write if etcd has none.
  private func configuration(_ view: NetworkView) throws(CNIError) -> (FlannelNetwork, missing: EtcdPair?) {
    if let configured = try view.network() { return (configured, nil) }
    let key = FlannelNetwork.key(plane.prefix)
    guard let made = try FlannelNetwork.initial(for: host, subnetLength: plane.subnetLength, at: key) else {
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
  func registeredMAC(_ view: NetworkView, _ record: HostRecord?) -> MACAddress? {
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
    return EntryDraft(
      key: key, value: value(configured, besides: nil, mac: registeredMAC(view, record)), config: missing)
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
      let overlapping = taken.first { entry in record.subnets.contains { $0.overlaps(entry.prefix) } }
      if record.lease != nil {
        try requireSubnets(record.subnets, in: configured, record.key)
        if let overlapping { throw subnetsLost(record, to: overlapping.host) }
        return record.subnets
      }
      // This host has given up its entry, so another host may have these subnets by now.
      if overlapping == nil, areSubnets(record.subnets, in: configured) { return record.subnets }
    }
    return try freeSubnets(pools, taken.map { $0.prefix })
  }

  private func freeSubnets(_ pools: [SubnetPool], _ taken: [IPPrefix]) throws(CNIError) -> [IPPrefix] {
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

  private func subnetsLost(_ record: HostRecord, to overlapping: HostPair) -> CNIError {
    let subnets = record.subnets.map { $0.description }.joined(separator: ", ")
    let holder = overlapping.subnet?.address(host.local.family)?.description ?? "another host"
    return CNIError(
      .addressUnavailable,
      "etcd \(overlapping.pair.key): \(holder) took it after this host's lease of \(subnets) expired, and containers on this host may still use it",
      details: "remove this network's containers from this host, then \(control.records.hostFile(network))")
  }

  /// Refuses a changed network that no longer contains this host's subnets: its containers would lose their connection.
  private func requireSubnets(
    _ subnets: [IPPrefix], in configured: FlannelNetwork, _ key: String
  ) throws(CNIError) {
    guard !areSubnets(subnets, in: configured) else { return }
    let both = [subnets, configured.prefixes].map { $0.map { $0.description }.joined(separator: ", ") }
    throw CNIError(
      .invalidNetworkConfig,
      "etcd \(key): this host has \(both[0]): want a part of each of \(both[1]), the network in \(FlannelNetwork.key(plane.prefix))",
      details: "if the network was changed: remove its containers from this host, the key, and "
        + control.records.hostFile(network))
  }

  private func areSubnets(_ subnets: [IPPrefix], in configured: FlannelNetwork) -> Bool {
    let isWithin = subnets.allSatisfy { subnet in
      configured.prefixes.contains { $0.contains(subnet.first) && $0.contains(subnet.last) }
    }
    return isWithin && Set(subnets.map { $0.family }) == Set(configured.prefixes.map { $0.family })
  }
}
