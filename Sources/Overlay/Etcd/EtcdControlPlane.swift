public import CNI
public import Etcd
public import Linux
import NetTypes

/// The control plane that uses peers files, and etcd with flannel's keys.
public struct EtcdControlPlane<Store: EtcdStore & ~Copyable> {
  let records: OverlayRecords
  let open: (EtcdConfig) throws(CNIError) -> Store
  /// Seconds since 1970.
  let now: () -> Int
  let random: (Range<UInt128>) -> UInt128
  /// Prints one line for the operator.
  let warn: (String) -> Void

  /// - Parameters:
  ///   - records: this host's records.
  ///   - now: seconds since 1970.
  ///   - random: a random number of a range.
  ///   - warn: prints a line for the operator.
  ///   - open: makes an etcd client.
  public init(
    _ records: OverlayRecords = OverlayRecords(), now: @escaping () -> Int = { WallClock.seconds },
    random: @escaping (Range<UInt128>) -> UInt128 = { UInt128.random(in: $0) }, warn: @escaping (String) -> Void,
    open: @escaping (EtcdConfig) throws(CNIError) -> Store
  ) {
    self.records = records
    self.now = now
    self.random = random
    self.warn = warn
    self.open = open
  }
}

extension EtcdControlPlane: ControlPlaneClient where Store: ~Copyable {
  public func peers(inFile path: String) throws(CNIError) -> [OverlayPeer] {
    let bytes: [UInt8]
    do throws(KernelError) { bytes = try Files.read(path) } catch {
      throw CNIError(.invalidNetworkConfig, "key \"controlPlane.peersFile\": \(error)")
    }
    do throws(CNIError) {
      return try OverlayPeer.list(JSONReader(CNIJSON.decodeValue(bytes)))
    } catch {
      throw CNIError(.invalidNetworkConfig, "peers file \(path): \(error.message)", details: error.details)
    }
  }

  public func isWatched(_ network: NetworkName) -> Bool { records.isWatched(network) }

  /// Whether an ADD reads the entries of containers: of mode l2, which only a watch keeps up to date, or of mode l3, whose
  /// labels a watch would have read.
  func readsContainers(of network: NetworkName, _ mode: OverlayMode) -> Bool { isWatched(network) == (mode == .l2) }

  public func consult(
    _ plane: EtcdPlaneConfig, of network: NetworkName, as host: OverlayHost, for command: Command,
    _ check: (ControlPlaneState) throws(CNIError) -> Void
  ) throws(CNIError) -> ControlPlaneState {
    let entry = HostEntry(control: self, plane: plane, network: network, host: host)
    switch command {
    case .add:
      let snapshot = try entry.register(withContainers: readsContainers(of: network, host.mode), check)
      var controlState = snapshot.controlState
      controlState.source = snapshot.view.source
      return controlState
    case .status: return try entry.status()
    default: return try entry.readState(withContainers: readsContainers(of: network, host.mode))
    }
  }
}

// MARK: containers in etcd

extension EtcdControlPlane where Store: ~Copyable {
  public func publish(
    _ container: PublishedContainer, of owner: AttachmentID, _ plane: EtcdPlaneConfig, as host: OverlayHost
  ) throws(CNIError) {
    guard !container.isEmpty else { return }
    guard let lease = try records.host(owner.network)?.lease else {
      throw CNIError(
        .tryAgainLater, "etcd \(plane.prefix): this host, \(host.local), has no etcd lease to publish containers with")
    }
    let record = EndpointRecord(
      container: owner.container, interface: owner.interface, endpoints: container.endpoints,
      labelled: container.labelled, vtep: host.local)
    // The record comes first, so that this host has a record of every entry in etcd.
    try records.save(record, of: owner)
    var store = try open(plane.etcd)
    _ = try store.transact(record.publication(plane.prefix, on: owner.network, lease))
  }

  public func withdraw(_ owner: AttachmentID, _ plane: EtcdPlaneConfig) throws(CNIError) {
    guard let record = try records.endpoint(owner) else { return }
    var store = try open(plane.etcd)
    try withdraw(record, of: owner, plane, from: &store)
  }

  /// Deletes all entries in one transaction; if another host has replaced one of them, deletes the others one by one.
  private func withdraw(
    _ record: EndpointRecord, of owner: AttachmentID, _ plane: EtcdPlaneConfig, from store: inout Store
  ) throws(CNIError) {
    let entries = record.entries(plane.prefix, on: owner.network)
    let all = EtcdTransaction(
      where: entries.map { .hasValue($0.key, $0.value) }, entries.map { .delete(.one($0.key)) })
    if try !store.transact(all).isSuccess {
      for entry in entries {
        _ = try store.transact(
          EtcdTransaction(where: [.hasValue(entry.key, entry.value)], [.delete(.one(entry.key))]))
      }
    }
    try records.remove(owner)
  }

  /// Withdraws the entries of attachments that no longer exist; if no attachment is valid, revokes this host's lease too.
  ///
  /// The record keeps the subnet, which the next ADD takes again if it is still free.
  public func collectGarbage(
    of network: NetworkName, _ plane: EtcdPlaneConfig, valid: Set<ValidAttachments.Attachment>
  ) throws(CNIError) {
    let stale = try records.endpoints(of: network).map { $0.owner(on: network) }.filter {
      !valid.contains(ValidAttachments.Attachment(containerID: $0.container, ifname: $0.interface))
    }
    var record = try records.host(network)
    guard !stale.isEmpty || valid.isEmpty && record?.lease != nil else { return }
    var store = try open(plane.etcd)
    for owner in stale {
      if let record = try records.endpoint(owner) { try withdraw(record, of: owner, plane, from: &store) }
    }
    guard valid.isEmpty, let lease = record?.lease else { return }
    try store.revoke(lease)
    record?.lease = nil
    if let record { try records.save(record, of: network) }
  }
}

extension EndpointRecord {
  fileprivate func publication(_ prefix: String, on network: NetworkName, _ lease: EtcdLease) -> EtcdTransaction {
    EtcdTransaction(entries(prefix, on: network).map { .put($0.key, $0.value, lease: lease) })
  }
}

extension HostEntry where Store: ~Copyable {
  /// Publishes all containers of this host again, after its etcd lease has expired or its address has changed.
  func republish(at store: inout Store, _ lease: EtcdLease?, after storedRecord: HostRecord?) throws(CNIError) {
    guard let lease else { return }
    if host.mode == .l2, let old = storedRecord?.lease, old != lease { try store.revoke(old) }
    for var record in try control.records.endpoints(of: network) {
      record.vtep = host.local
      try control.records.save(record, of: record.owner(on: network))
      _ = try store.transact(record.publication(plane.prefix, on: network, lease))
    }
  }
}
