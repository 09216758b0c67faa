public import CNI
public import Etcd
import NetTypes

/// The names of a network's containers in etcd, through which its hosts share them.
///
/// The key `PREFIX/NETWORK/CONTAINER:INTERFACE` has the value `{"node": …, "ips": […], "names": […]}`, with
/// `services` if the container is a back-end, and belongs to the etcd lease of the container's host.
public struct SharedNames {
  public let network: NetworkName
  let config: EtcdNamesConfig
  let node: HostName
  /// Called with what was left out and why.
  let warn: (String) -> Void

  /// - Throws: code 7 if this host has no usable name.
  public init(
    _ config: EtcdNamesConfig, of network: NetworkName, warn: @escaping (String) -> Void = { _ in }
  ) throws(CNIError) {
    self.config = config
    self.network = network
    self.warn = warn
    node = try config.thisNode()
  }

  private var keyPrefix: String { config.keyPrefix(network) }

  private func key(_ owner: AttachmentID) -> String { keyPrefix + owner.attachment }

  private func put(_ member: Member, _ lease: EtcdLease) -> EtcdTransaction.Operation {
    .put(key(member.owner), RemoteMember(member, node: node).json.bytes, lease: lease)
  }

  /// Whether the key in etcd is up to date: same value, on this host's lease.
  private func isUpToDate(_ member: Member, by pair: EtcdPair?, on lease: EtcdLease) -> Bool {
    pair?.lease == lease && pair.map { $0.value == RemoteMember(member, node: node).json.bytes } == true
  }
}

extension SharedNames {
  /// Renews and returns this host's lease: the recorded one, or a new one if that has expired.
  ///
  /// - Throws: code 11 if no quorum answers; then nothing is changed.
  public func lease<Store: EtcdStore & ~Copyable>(
    _ store: inout Store, recordedIn state: StateDirectory
  ) throws(CNIError) -> EtcdLease {
    let leaseFile = try convertingErrors { () throws(KernelError) in try EtcdLeaseFile.lock(network, in: state) }
    if let number = try convertingErrors({ () throws(KernelError) in try leaseFile.read() }) {
      let recorded = EtcdLease(id: number)
      if try store.keepAlive(recorded) != nil { return recorded }
    }
    let lease = try store.grantLease(seconds: config.leaseSeconds)
    try convertingErrors { () throws(KernelError) in try leaseFile.write(lease.id) }
    return lease
  }

  /// Puts this host's attachments into etcd, the new one first, and reads those of other hosts.
  ///
  /// - Parameters:
  ///   - store: etcd.
  ///   - joining: the new attachment; `nil` if there is none.
  ///   - local: all attachments on this host; those that etcd lacks are put again.
  ///   - lease: this host's lease.
  /// - Returns: the attachments on other hosts.
  /// - Throws: code 11 if no quorum answers; some keys may be put nevertheless.
  public func exchange<Store: EtcdStore & ~Copyable>(
    _ store: inout Store, joining: Member?, local: [Member], on lease: EtcdLease
  ) throws(CNIError) -> [RemoteMember] {
    let first = joining.map { [put($0, lease)] } ?? []
    let outcome = try store.transact(EtcdTransaction(first + [.read(.prefixed(keyPrefix))]))
    let pairs = outcome.readResults.first ?? []
    let byKey: [String: EtcdPair] = pairs.reduce(into: [:]) { $0[$1.key] = $0[$1.key] ?? $1 }
    var outdated = local.filter { member in
      // The key has another node: the container moved to that host, and its DEL has not run here yet.
      let isElsewhere = byKey[key(member.owner)].flatMap(parsed).map { $0.node != node } ?? false
      return !isElsewhere && member.owner != joining?.owner
        && !isUpToDate(member, by: byKey[key(member.owner)], on: lease)
    }
    while !outdated.isEmpty {
      let some = outdated.prefix(Self.maximumOperationCount)
      outdated.removeFirst(some.count)
      _ = try store.transact(EtcdTransaction(some.map { put($0, lease) }))
    }
    return pairs.compactMap(parsed).filter { $0.node != node && $0.owner != joining?.owner }
  }

  /// The largest number of operations in one etcd transaction (`--max-txn-ops`, 128 by default).
  private static let maximumOperationCount = 128

  /// Parses a key and its value; `nil`, after a warning, if it is no attachment of ours.
  private func parsed(_ pair: EtcdPair) -> RemoteMember? {
    do throws(CNIError) {
      guard let owner = AttachmentID(attachment: pair.key.dropFirst(keyPrefix.count), on: network) else {
        throw CNIError(.invalidNetworkConfig, "want a container and an interface with a ':' between them")
      }
      return try RemoteMember(of: owner, JSONReader(try CNIJSON.decodeValue(pair.value)))
    } catch {
      warn("etcd: \(pair.key): left out: \(error.message)")
      return nil
    }
  }
}

// MARK: one attachment

extension SharedNames {
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
      guard let member = parsed(pair), member.node == node, !valid.contains(member.owner) else { continue }
      do throws(CNIError) { try withdraw(pair, from: &store) } catch { problems.append(error) }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  /// How the attachment's key in etcd differs from the wanted value.
  public func differences<Store: EtcdStore & ~Copyable>(
    from wanted: Member, in store: inout Store
  ) throws(CNIError) -> [String] {
    let key = key(wanted.owner)
    guard let pair = try store.read(.one(key)).pairs.first else { return ["etcd: \(key) is missing"] }
    return pair.value == RemoteMember(wanted, node: node).json.bytes
      ? [] : ["etcd: \(key) is \(String(decoding: pair.value.prefix(200), as: UTF8.self))"]
  }

  /// Reads a key, for STATUS.
  ///
  /// - Throws: why ADD could not use etcd now.
  public func probe<Store: EtcdStore & ~Copyable>(_ store: inout Store) throws(CNIError) {
    _ = try store.read(.one(keyPrefix))
  }
}
