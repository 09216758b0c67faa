public import CNI
public import Etcd
import NetTypes

/// The names of a network's containers, as its hosts tell them to each other through etcd.
///
/// `PREFIX/NETWORK/CONTAINER:INTERFACE` is `{"node": …, "ips": […], "names": […]}` on the lease of the container's host.
public struct SharedNames {
  public let network: NetworkName
  let config: EtcdNamesConfig
  let node: HostName
  /// Told what was left out and why.
  let warn: (String) -> Void

  /// - Throws: code 7 where nothing says what this host is called.
  public init(
    _ config: EtcdNamesConfig, of network: NetworkName, warn: @escaping (String) -> Void = { _ in }
  ) throws(CNIError) {
    self.config = config
    self.network = network
    self.warn = warn
    node = try config.thisNode()
  }

  private var start: String { config.start(network) }

  private func key(_ owner: Owner) -> String { start + owner.attachment }

  private func put(_ member: Member, _ lease: EtcdLease) -> EtcdTransaction.Operation {
    .put(key(member.owner), RemoteMember(member, node: node).json.bytes, lease: lease)
  }

  /// Whether there is nothing that the other hosts must be told of it.
  private func isTold(_ member: Member, by pair: EtcdPair?, on lease: EtcdLease) -> Bool {
    pair?.lease == lease && pair.map { $0.value == RemoteMember(member, node: node).json.bytes } == true
  }
}

extension SharedNames {
  /// This host's lease, its time begun anew: the one that is noted, else a new one.
  ///
  /// - Throws: code 11 where no quorum answers; nothing is changed then.
  public func lease<Store: EtcdStore & ~Copyable>(
    _ store: inout Store, notedIn state: StateDirectory
  ) throws(CNIError) -> EtcdLease {
    let note = try translating { () throws(KernelError) in try LeaseNote.lock(network, in: state) }
    if let number = try translating({ () throws(KernelError) in try note.read() }) {
      let noted = EtcdLease(id: number)
      if try store.keepAlive(noted) != nil { return noted }
    }
    let lease = try store.grantLease(seconds: config.leaseSeconds)
    try translating { () throws(KernelError) in try note.write(lease.id) }
    return lease
  }

  /// Tells the other hosts of the attachments here, of one first.
  ///
  /// - Parameters:
  ///   - store: etcd.
  ///   - joining: one that is new; `nil`: none is.
  ///   - local: all that are here, which are told again where nobody knows them any more.
  ///   - lease: this host's.
  /// - Returns: the attachments of other hosts.
  /// - Throws: code 11 where no quorum answers; the others may have been told all the same.
  public func exchange<Store: EtcdStore & ~Copyable>(
    _ store: inout Store, joining: Member?, local: [Member], on lease: EtcdLease
  ) throws(CNIError) -> [RemoteMember] {
    let first = joining.map { [put($0, lease)] } ?? []
    let outcome = try store.transact(EtcdTransaction(first + [.read(.prefixed(start))]))
    let pairs = outcome.found.first ?? []
    let byKey = Dictionary(pairs.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
    var untold = local.filter { member in
      // One that another host tells of has moved there, and whoever is still here has not been told to go.
      let isElsewhere = byKey[key(member.owner)].flatMap(parsed).map { $0.node != node } ?? false
      return !isElsewhere && member.owner != joining?.owner && !isTold(member, by: byKey[key(member.owner)], on: lease)
    }
    while !untold.isEmpty {
      let some = untold.prefix(Self.mostOperations)
      untold.removeFirst(some.count)
      _ = try store.transact(EtcdTransaction(some.map { put($0, lease) }))
    }
    return pairs.compactMap(parsed).filter { $0.node != node && $0.owner != joining?.owner }
  }

  /// How many etcd takes in one transaction.
  private static let mostOperations = 128

  /// `nil` for what is no attachment of ours, which is told.
  private func parsed(_ pair: EtcdPair) -> RemoteMember? {
    do throws(CNIError) {
      guard let owner = Owner(attachment: pair.key.dropFirst(start.count), on: network) else {
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
  /// Takes back what was told of an attachment; nothing happens where another host tells of it.
  ///
  /// - Throws: code 11 where no quorum answers.
  public func withdraw<Store: EtcdStore & ~Copyable>(_ owner: Owner, from store: inout Store) throws(CNIError) {
    guard let pair = try store.read(.one(key(owner))).pairs.first, parsed(pair)?.node == node else { return }
    try withdraw(pair, from: &store)
  }

  private func withdraw<Store: EtcdStore & ~Copyable>(_ pair: EtcdPair, from store: inout Store) throws(CNIError) {
    // Whoever has written it since means a later attachment.
    _ = try store.transact(
      EtcdTransaction(where: [.isUnchanged(pair.key, since: pair.modified)], [.delete(.one(pair.key))]))
  }

  /// Takes back what this host told of all attachments but `valid`; goes on past failures.
  public func withdrawAll<Store: EtcdStore & ~Copyable>(
    but valid: Set<Owner>, from store: inout Store
  ) throws(CNIError) {
    var problems: [CNIError] = []
    for pair in try store.read(.prefixed(start)).pairs {
      guard let told = parsed(pair), told.node == node, !valid.contains(told.owner) else { continue }
      do throws(CNIError) { try withdraw(pair, from: &store) } catch { problems.append(error) }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  /// How the other hosts are not told of an attachment what they should be.
  public func differences<Store: EtcdStore & ~Copyable>(
    from wanted: Member, in store: inout Store
  ) throws(CNIError) -> [String] {
    let key = key(wanted.owner)
    guard let pair = try store.read(.one(key)).pairs.first else { return ["etcd: \(key) is missing"] }
    return pair.value == RemoteMember(wanted, node: node).json.bytes
      ? [] : ["etcd: \(key) is \(String(decoding: pair.value.prefix(200), as: UTF8.self))"]
  }

  /// - Throws: why no ADD could succeed now.
  public func probe<Store: EtcdStore & ~Copyable>(_ store: inout Store) throws(CNIError) {
    _ = try store.read(.one(start))
  }
}
