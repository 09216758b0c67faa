public import CNI
public import Etcd
public import NetTypes

/// The records of a network's attachments in etcd, through which its hosts share them.
///
/// The key `…/NETWORK/CONTAINER:INTERFACE` has a value with the member `node` and belongs to the etcd lease of the
/// attachment's host.
public struct SharedRecords<Record: SharedRecord> {
  public let network: NetworkName
  public let node: HostName
  private let leaseSeconds: Int
  private let keyPrefix: String
  /// Called with what was left out and why.
  public let warn: (String) -> Void

  /// - Parameters:
  ///   - prefix: the prefix of the keys of all networks.
  ///   - network: the network.
  ///   - config: the name of this host and the TTL of its lease.
  ///   - warn: called with what was left out and why.
  /// - Throws: code 7 if this host has no usable name.
  public init(
    below prefix: String, of network: NetworkName, _ config: SharingConfig, warn: @escaping (String) -> Void
  ) throws(CNIError) {
    self.network = network
    self.warn = warn
    keyPrefix = "\(prefix)/\(network)/"
    leaseSeconds = config.leaseSeconds
    node = try config.thisNode()
  }

  private func key(_ owner: AttachmentID) -> String { keyPrefix + owner.attachment }

  private func put(_ record: Record, _ lease: EtcdLease) -> EtcdTransaction.Operation {
    .put(key(record.owner), record.json.bytes, lease: lease)
  }

  /// Whether the key in etcd is up to date: same value, on this host's lease.
  private func isUpToDate(_ record: Record, by pair: EtcdPair?, on lease: EtcdLease) -> Bool {
    pair?.lease == lease && pair.map { $0.value == record.json.bytes } == true
  }

  /// Parses a key and its value; `nil`, after a warning, if it is no attachment of ours.
  private func parsed(_ pair: EtcdPair) -> Record? {
    do throws(CNIError) {
      guard let owner = AttachmentID(attachment: pair.key.dropFirst(keyPrefix.count), on: network) else {
        throw CNIError(.invalidNetworkConfig, "want a container and an interface with a ':' between them")
      }
      return try Record(of: owner, JSONReader(try CNIJSON.decodeValue(pair.value)))
    } catch {
      warn("etcd: \(pair.key): left out: \(error.message)")
      return nil
    }
  }
}

extension SharedRecords {
  /// The range to watch.
  public var keys: EtcdKeys { .prefixed(keyPrefix) }

  /// Whether another host may have made the change.
  public func isByOthers(_ event: EtcdEvents.Event) -> Bool {
    if case .put(let pair) = event { parsed(pair)?.node != node } else { true }
  }
}

extension SharedRecords {
  /// Renews this host's lease, or grants a new one if the recorded one has expired.
  ///
  /// - Parameters:
  ///   - store: etcd.
  ///   - directory: where the lease is recorded.
  /// - Returns: the lease.
  /// - Throws: code 11 if no quorum answers; then nothing is changed.
  public func lease<Store: EtcdStore & ~Copyable>(
    _ store: inout Store, recordedIn directory: String
  ) throws(CNIError) -> EtcdLease {
    try EtcdLeaseFile.lease(&store, recordedIn: directory, seconds: leaseSeconds)
  }

  /// Puts this host's records into etcd, the new one first, and reads those of other hosts.
  ///
  /// - Parameters:
  ///   - store: etcd.
  ///   - joining: the record of the new attachment; `nil` if there is none.
  ///   - local: all records of this host; those that etcd lacks are put again.
  ///   - lease: this host's lease.
  /// - Returns: the records of other hosts.
  /// - Throws: code 11 if no quorum answers; some keys may be put nevertheless.
  public func exchange<Store: EtcdStore & ~Copyable>(
    _ store: inout Store, joining: Record?, local: [Record], on lease: EtcdLease
  ) throws(CNIError) -> [Record] {
    let first = joining.map { [put($0, lease)] } ?? []
    let outcome = try store.transact(EtcdTransaction(first + [.read(.prefixed(keyPrefix))]))
    let pairs = outcome.readResults.first ?? []
    let byKey: [String: EtcdPair] = pairs.reduce(into: [:]) { $0[$1.key] = $0[$1.key] ?? $1 }
    var outdated = local.filter { record in
      // The key has another node: the container moved to that host, and its DEL has not run here yet.
      let isElsewhere = byKey[key(record.owner)].flatMap(parsed).map { $0.node != node } ?? false
      return !isElsewhere && record.owner != joining?.owner
        && !isUpToDate(record, by: byKey[key(record.owner)], on: lease)
    }
    while !outdated.isEmpty {
      let some = outdated.prefix(maximumOperationCount)
      outdated.removeFirst(some.count)
      _ = try store.transact(EtcdTransaction(some.map { put($0, lease) }))
    }
    return pairs.compactMap(parsed).filter { $0.node != node && $0.owner != joining?.owner }
  }

  /// The records of other hosts.
  public func others<Store: EtcdStore & ~Copyable>(in store: inout Store) throws(CNIError) -> [Record] {
    try store.read(.prefixed(keyPrefix)).pairs.compactMap(parsed).filter { $0.node != node }
  }
}

/// The largest number of operations in one etcd transaction (`--max-txn-ops`, 128 by default).
private let maximumOperationCount = 128

// MARK: one attachment

extension SharedRecords {
  /// Deletes an attachment's key, unless it belongs to another host.
  ///
  /// - Throws: code 11 if no quorum answers.
  public func withdraw<Store: EtcdStore & ~Copyable>(_ owner: AttachmentID, from store: inout Store) throws(CNIError) {
    guard let pair = try store.read(.one(key(owner))).pairs.first, parsed(pair)?.node == node else { return }
    try withdraw(pair, from: &store)
  }

  private func withdraw<Store: EtcdStore & ~Copyable>(_ pair: EtcdPair, from store: inout Store) throws(CNIError) {
    // If the key has changed since, it is for a later attachment and stays.
    _ = try store.transact(
      EtcdTransaction(where: [.isUnchanged(pair.key, since: pair.modified)], [.delete(.one(pair.key))]))
  }

  /// Deletes the keys of all attachments of this host that are not in `valid`; continues after errors.
  public func withdrawAll<Store: EtcdStore & ~Copyable>(
    except valid: Set<AttachmentID>, from store: inout Store
  ) throws(CNIError) {
    var problems: [CNIError] = []
    for pair in try store.read(.prefixed(keyPrefix)).pairs {
      guard let record = parsed(pair), record.node == node, !valid.contains(record.owner) else { continue }
      do throws(CNIError) { try withdraw(pair, from: &store) } catch { problems.append(error) }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  /// How the attachment's key in etcd differs from the wanted value.
  public func differences<Store: EtcdStore & ~Copyable>(
    from wanted: Record, in store: inout Store
  ) throws(CNIError) -> [String] {
    let key = key(wanted.owner)
    guard let pair = try store.read(.one(key)).pairs.first else { return ["etcd: \(key) is missing"] }
    return pair.value == wanted.json.bytes
      ? [] : ["etcd: \(key) is \(String(decoding: pair.value.prefix(200), as: UTF8.self))"]
  }

  /// Reads a key, for STATUS.
  ///
  /// - Throws: why ADD could not use etcd now.
  public func probe<Store: EtcdStore & ~Copyable>(_ store: inout Store) throws(CNIError) {
    _ = try store.read(.one(keyPrefix))
  }
}
