public import CNI
public import Etcd
import Linux
public import NetTypes

/// Which container has a floating address, for all hosts that share an etcd cluster.
///
/// The key `PREFIX/floating/ADDRESS` has the value `{"node", "container", "interface", "network"}` and belongs to the etcd
/// lease of the container's host.
public struct FloatingClaims {
  private let node: HostName
  private let leaseSeconds: Int
  private let keyPrefix: String
  /// The directory of the lease.
  private let directory: String

  public static let defaultPrefix = "/swift-cni"

  /// - Parameters:
  ///   - config: the key `etcd`.
  ///   - network: the network whose lease is used.
  ///   - state: the directory of the state of all networks.
  /// - Throws: code 7 if this host has no usable name.
  public init(
    _ config: SharingConfig, of network: NetworkName, state: String = StatePaths.floating
  ) throws(CNIError) {
    node = try config.thisNode()
    leaseSeconds = config.leaseSeconds
    keyPrefix = "\(config.prefix ?? Self.defaultPrefix)/floating/"
    directory = "\(state)/\(network)"
  }

  private func key(_ address: IPAddress) -> String { "\(keyPrefix)\(address)" }

  private func value(_ owner: AttachmentID) -> JSONValue {
    .record([
      "node": .text(node), "container": .text(owner.container), "interface": .text(owner.interface),
      "network": .text(owner.network),
    ])
  }

  /// Takes the addresses for a container: all or none.
  ///
  /// - Returns: those that the container did not have before.
  /// - Throws: code 107 if another host has an address, code 11 if no quorum answers.
  public func take<Store: EtcdStore & ~Copyable>(
    _ addresses: [IPAddress], for owner: AttachmentID, in store: inout Store
  ) throws(CNIError) -> [IPAddress] {
    let lease = try EtcdLeaseFile.lease(&store, recordedIn: directory, seconds: leaseSeconds)
    var taken: [IPAddress] = []
    do throws(CNIError) {
      for address in addresses where try take(address, owner, lease, in: &store) { taken.append(address) }
    } catch {
      try? giveBack(taken, of: owner, in: &store)
      throw error
    }
    return taken
  }

  /// Returns whether the container did not have the address before.
  private func take<Store: EtcdStore & ~Copyable>(
    _ address: IPAddress, _ owner: AttachmentID, _ lease: EtcdLease, in store: inout Store
  ) throws(CNIError) -> Bool {
    let key = key(address), bytes = value(owner).bytes
    let put = EtcdTransaction.Operation.put(key, bytes, lease: lease)
    let first = try store.transact(EtcdTransaction(where: [.isAbsent(key)], [put], otherwise: [.read(.one(key))]))
    guard !first.isSuccess, let pair = first.readResults.first?.first else { return true }
    // Our own value on our lease may also be a first try whose answer was lost.
    if pair.value == bytes, pair.lease == lease { return false }
    let holder = FloatingHolder(pair.value)
    // The rules of this host tell which of its containers has the address.
    guard holder?.node == node else { throw conflict(address, holder) }
    let second = try store.transact(
      EtcdTransaction(where: [.isUnchanged(key, since: pair.modified)], [put], otherwise: [.read(.one(key))]))
    if !second.isSuccess, second.readResults.first?.first?.value != bytes {
      throw conflict(address, second.readResults.first?.first.flatMap { FloatingHolder($0.value) })
    }
    return pair.value != bytes
  }

  private func conflict(_ address: IPAddress, _ holder: FloatingHolder?) -> CNIError {
    let text = holder.map { "container \($0.owner.container) of network \($0.owner.network) on host \($0.node)" }
    return CNIError(
      .portInUse, "floating address \(address): etcd: \(key(address)): belongs to \(text ?? "an unknown container")")
  }

  /// Deletes the keys of these addresses that are this container's.
  ///
  /// - Throws: code 11 if no quorum answers.
  public func giveBack<Store: EtcdStore & ~Copyable>(
    _ addresses: [IPAddress], of owner: AttachmentID, in store: inout Store
  ) throws(CNIError) {
    let bytes = value(owner).bytes
    for address in addresses {
      let key = key(address)
      _ = try store.transact(EtcdTransaction(where: [.hasValue(key, bytes)], [.delete(.one(key))]))
    }
  }

  /// Deletes all keys of containers of this host that `isGone` names; continues after errors.
  ///
  /// - Throws: code 11 if no quorum answers.
  public func release<Store: EtcdStore & ~Copyable>(
    from store: inout Store, where isGone: (AttachmentID) -> Bool
  ) throws(CNIError) {
    var problems: [CNIError] = []
    for pair in try store.read(.prefixed(keyPrefix)).pairs {
      guard let holder = FloatingHolder(pair.value), holder.node == node, isGone(holder.owner) else { continue }
      do throws(CNIError) {
        _ = try store.transact(
          EtcdTransaction(where: [.isUnchanged(pair.key, since: pair.modified)], [.delete(.one(pair.key))]))
      } catch { problems.append(error) }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  /// How the keys of these addresses differ from those of the container.
  public func differences<Store: EtcdStore & ~Copyable>(
    _ addresses: [IPAddress], of owner: AttachmentID, in store: inout Store
  ) throws(CNIError) -> [String] {
    var found: [String] = []
    for address in addresses {
      let key = key(address)
      guard let pair = try store.read(.one(key)).pairs.first else {
        found.append("etcd: \(key) is missing")
        continue
      }
      if pair.value != value(owner).bytes {
        found.append("etcd: \(key) is \(String(decoding: pair.value.prefix(200), as: UTF8.self))")
      }
    }
    return found
  }

  /// Reads a key, for STATUS.
  ///
  /// - Throws: why ADD could not use etcd now.
  public func probe<Store: EtcdStore & ~Copyable>(_ store: inout Store) throws(CNIError) {
    _ = try store.read(.one(keyPrefix))
  }
}

/// The value of a floating address's key.
private struct FloatingHolder {
  var node: HostName
  var owner: AttachmentID

  /// `nil` for a value of another form.
  init?(_ value: [UInt8]) {
    do throws(CNIError) {
      let json = JSONReader(try CNIJSON.decodeValue(value))
      node = try json.required("node").parsed()
      owner = AttachmentID(
        network: try json.required("network").parsed(), container: try json.required("container").parsed(),
        interface: try json.required("interface").parsed())
    } catch { return nil }
  }
}
