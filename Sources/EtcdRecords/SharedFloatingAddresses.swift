public import CNI
public import Etcd
public import Linux
public import NetTypes

/// Which container has a floating address, for all hosts that share an etcd cluster.
///
/// The key `PREFIX/floating/ADDRESS` has the value `{"node", "container", "interface", "network"}` and belongs to the etcd
/// lease of the container's host. Each change of a key is a compare-and-swap.
public struct SharedFloatingAddresses {
  private let network: NetworkName
  private let node: HostName
  private let leaseSeconds: Int
  private let keyPrefix: String
  /// The directory of the lease and the lock.
  private let directory: String

  public static let defaultPrefix = "/swift-cni"
  private static let secondsToWait = 30
  /// Several hosts may want to move an address at the same time.
  private static let attempts = 5

  /// - Parameters:
  ///   - config: the key `etcd`.
  ///   - network: the network whose containers get the addresses.
  ///   - state: the directory of the state of all networks.
  /// - Throws: code 7 if this host has no usable name.
  public init(
    _ config: SharingConfig, of network: NetworkName, state: String = StatePaths.floating
  ) throws(CNIError) {
    self.network = network
    node = try config.thisNode()
    leaseSeconds = config.leaseSeconds
    keyPrefix = "\(config.prefix ?? Self.defaultPrefix)/floating/"
    directory = "\(state)/\(network)"
  }

  /// The range to watch.
  public var keys: EtcdKeys { .prefixed(keyPrefix) }

  /// Whether a container of the network has had a shared floating address since the host started.
  public static func wereUsed(on network: NetworkName, state: String = StatePaths.floating) -> Bool {
    Files.exists("\(state)/\(network)")
  }

  /// Held from the change of a key to the change of the host that belongs to it.
  public func lock() throws(CNIError) -> FileLock {
    try convertingErrors { () throws(KernelError) in
      try Files.makeDirectories(directory)
      return try FileLock(
        .openLock("\(directory)/.lock"), seconds: Self.secondsToWait, doing: "lock \(directory)/.lock")
    }
  }

  private func key(_ address: IPAddress) -> String { "\(keyPrefix)\(address)" }

  private func value(_ owner: AttachmentID) -> [UInt8] {
    JSONValue.record([
      "node": .text(node), "container": .text(owner.container), "interface": .text(owner.interface),
      "network": .text(owner.network),
    ]).bytes
  }
}

// MARK: one attachment

extension SharedFloatingAddresses {
  /// A wanted address.
  public struct Request {
    public var address: IPAddress
    /// Whether it is taken from the container that has it.
    public var moves: Bool

    public init(_ address: IPAddress, moves: Bool) {
      self.address = address
      self.moves = moves
    }
  }

  /// A key that was changed, and what it was before.
  public struct Taken {
    fileprivate var key: String
    fileprivate var before: EtcdPair?
  }

  /// Takes the addresses for a container, under the lock: all or none.
  ///
  /// - Returns: the keys that were changed.
  /// - Throws: code 107 if another host has an address that is not to be moved, code 11 if no quorum answers.
  public func take<Store: EtcdStore & ~Copyable>(
    _ requests: [Request], for owner: AttachmentID, in store: inout Store
  ) throws(CNIError) -> [Taken] {
    let lease = try EtcdLeaseFile.lease(&store, recordedIn: directory, seconds: leaseSeconds)
    let value = value(owner)
    for _ in 0..<Self.attempts {
      // What the keys were is read first: afterwards a key of ours could be of a first try whose answer was lost.
      let present = try read(requests, in: &store)
      for (request, pair) in zip(requests, present) where !request.moves { try check(request.address, pair) }
      let changed = zip(requests, present).filter { $1.map { $0.value != value || $0.lease != lease } ?? true }
        .map { Taken(key: key($0.address), before: $1) }
      if changed.isEmpty { return [] }
      let conditions = changed.map { taken in
        taken.before.map { EtcdTransaction.Condition.isUnchanged(taken.key, since: $0.modified) }
          ?? .isAbsent(taken.key)
      }
      do throws(CNIError) {
        let put = EtcdTransaction(where: conditions, changed.map { .put($0.key, value, lease: lease) })
        if try store.transact(put).isSuccess { return changed }
      } catch {
        // etcd may have carried it out; if it does not answer, DEL or the next sync deletes the keys.
        try? restore(changed, of: owner, in: &store)
        throw error
      }
      if try read(requests, in: &store).allSatisfy({ $0?.value == value && $0?.lease == lease }) { return changed }
    }
    throw CNIError(
      .tryAgainLater,
      "take floating addresses in etcd: other hosts changed \(keyPrefix)… \(Self.attempts) times meanwhile")
  }

  /// The keys of the requests' addresses, in order.
  private func read<Store: EtcdStore & ~Copyable>(
    _ requests: [Request], in store: inout Store
  ) throws(CNIError) -> [EtcdPair?] {
    try store.transact(EtcdTransaction(requests.map { .read(.one(key($0.address))) })).readResults.map { $0.first }
  }

  /// - Throws: code 107 if another host has the address; the rules of this host tell which of its containers has it.
  private func check(_ address: IPAddress, _ pair: EtcdPair?) throws(CNIError) {
    guard let pair else { return }
    let holder = FloatingHolder(pair)
    if holder?.node == node { return }
    let text = holder.map { "container \($0.owner.container) of network \($0.owner.network) on host \($0.node)" }
    throw CNIError(
      .portInUse,
      "floating address \(address): etcd: \(pair.key): belongs to \(text ?? "an unknown container"): "
        + "want another address, or \"move\": true")
  }

  /// Whether the container has all of these addresses.
  public func has<Store: EtcdStore & ~Copyable>(
    _ requests: [Request], for owner: AttachmentID, in store: inout Store
  ) throws(CNIError) -> Bool {
    try read(requests, in: &store).allSatisfy { $0?.value == value(owner) }
  }

  /// Puts back what the keys were, unless another host has taken them since.
  ///
  /// - Throws: code 11 if no quorum answers.
  public func restore<Store: EtcdStore & ~Copyable>(
    _ all: [Taken], of owner: AttachmentID, in store: inout Store
  ) throws(CNIError) {
    for taken in all {
      let isOurs = EtcdTransaction.Condition.hasValue(taken.key, value(owner))
      if let before = taken.before {
        let put = EtcdTransaction(where: [isOurs], [.put(taken.key, before.value, lease: before.lease)])
        // Twice, because an error may pass. If it stays, the lease of the last holder has ended, or no quorum answers,
        // which the next request tells.
        if (try? store.transact(put)) != nil || (try? store.transact(put)) != nil { continue }
      }
      _ = try store.transact(EtcdTransaction(where: [isOurs], [.delete(.one(taken.key))]))
    }
  }

  /// Deletes this attachment's keys, or only that of one address.
  ///
  /// - Throws: code 11 if no quorum answers.
  public func release<Store: EtcdStore & ~Copyable>(
    _ address: IPAddress? = nil, of owner: AttachmentID, in store: inout Store
  ) throws(CNIError) {
    let only = address.map { key($0) }
    try delete(in: &store) { holder, key in holder.owner == owner && key == only ?? key }
  }

  /// Deletes the keys of this host's attachments of the network that are not in `valid`; continues after errors.
  public func collectGarbage<Store: EtcdStore & ~Copyable>(
    except valid: Set<AttachmentID>, in store: inout Store
  ) throws(CNIError) {
    try delete(in: &store) { holder, _ in !valid.contains(holder.owner) }
  }

  /// Deletes keys of this host and network.
  private func delete<Store: EtcdStore & ~Copyable>(
    in store: inout Store, where isGone: (FloatingHolder, _ key: String) -> Bool
  ) throws(CNIError) {
    var problems: [CNIError] = []
    for pair in try store.read(keys).pairs {
      guard let holder = FloatingHolder(pair), holder.node == node, holder.owner.network == network,
        isGone(holder, pair.key)
      else { continue }
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
    let requests = addresses.map { Request($0, moves: false) }
    return zip(addresses, try read(requests, in: &store)).compactMap { address, pair in
      guard let pair else { return "etcd: \(key(address)) is missing" }
      return pair.value == value(owner)
        ? nil : "etcd: \(pair.key) is \(String(decoding: pair.value.prefix(200), as: UTF8.self))"
    }
  }

  /// Reads a key, for STATUS.
  ///
  /// - Throws: why ADD could not use etcd now.
  public func probe<Store: EtcdStore & ~Copyable>(_ store: inout Store) throws(CNIError) {
    _ = try store.read(.one(keyPrefix))
  }
}

// MARK: all attachments of the network on this host

extension SharedFloatingAddresses {
  /// A floating address that a container of this host has.
  public struct Held: Hashable, Sendable {
    public var address: IPAddress
    public var owner: AttachmentID

    public init(_ address: IPAddress, _ owner: AttachmentID) {
      self.address = address
      self.owner = owner
    }
  }

  /// Renews the lease, puts back keys that etcd lost, and deletes those that no container here has; under the lock.
  ///
  /// - Parameters:
  ///   - held: the addresses of this network's containers on this host.
  ///   - store: etcd.
  /// - Returns: those that another host has taken.
  /// - Throws: code 11 if no quorum answers; some keys may be changed then.
  public func exchange<Store: EtcdStore & ~Copyable>(
    _ held: [Held], in store: inout Store
  ) throws(CNIError) -> [Held] {
    let lease = try EtcdLeaseFile.lease(&store, recordedIn: directory, seconds: leaseSeconds)
    // First, so that the key of a container that never got the address does not keep out the one that has it.
    try delete(in: &store) { holder, key in
      !held.contains { $0.owner == holder.owner && self.key($0.address) == key }
    }
    var present: [String: EtcdPair] = [:]
    for pair in try store.read(keys).pairs { present[pair.key] = pair }
    var taken: [Held] = []
    for one in held {
      let key = key(one.address), put = EtcdTransaction.Operation.put(key, value(one.owner), lease: lease)
      guard let pair = present[key] else {
        // If another host has taken it since, the next exchange tells.
        _ = try store.transact(EtcdTransaction(where: [.isAbsent(key)], [put]))
        continue
      }
      guard let holder = FloatingHolder(pair), holder.node == node else {
        taken.append(one)
        continue
      }
      // Another container of this host takes it just now.
      guard holder.owner == one.owner, pair.lease != lease else { continue }
      _ = try store.transact(EtcdTransaction(where: [.isUnchanged(key, since: pair.modified)], [put]))
    }
    return taken
  }

  /// Whether the event is about one of these addresses and not by this host.
  public func concerns(_ event: EtcdEvents.Event, _ held: [Held]) -> Bool {
    switch event {
    case .put(let pair): FloatingHolder(pair)?.node != node && held.contains { key($0.address) == pair.key }
    case .deleted(let key): held.contains { self.key($0.address) == key }
    }
  }
}

/// The value of a floating address's key.
private struct FloatingHolder {
  var node: HostName
  var owner: AttachmentID

  /// `nil` for a value of another form.
  init?(_ pair: EtcdPair) {
    do throws(CNIError) {
      let json = JSONReader(try CNIJSON.decodeValue(pair.value))
      node = try json.required("node").parsed()
      owner = AttachmentID(
        network: try json.required("network").parsed(), container: try json.required("container").parsed(),
        interface: try json.required("interface").parsed())
    } catch { return nil }
  }
}
