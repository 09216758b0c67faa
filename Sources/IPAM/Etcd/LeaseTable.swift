public import CNI
public import Etcd
public import NetTypes

/// One network's leases in etcd, from the view of one host.
///
/// Throws code 11 if etcd has no quorum, 108 if it refuses.
public struct LeaseTable<Store: EtcdStore & ~Copyable>: ~Copyable {
  var store: Store
  let keys: LeaseKeys

  /// - Parameters:
  ///   - store: the etcd cluster.
  ///   - keys: the keys of the network and this host.
  public init(_ store: consuming Store, _ keys: LeaseKeys) {
    self.store = store
    self.keys = keys
  }
}

extension LeaseTable where Store: ~Copyable {
  /// The addresses that the attachment holds on this host, of those that its ADD recorded.
  ///
  /// Also reads the keys of `answered`: an address that another attachment holds now does not count.
  public mutating func addresses(of owner: Owner, answered: [IPAddress]) throws(CNIError) -> [IPAddress] {
    let key = keys.attachment(LeaseOwner(owner))
    let found = try read([.one(key)] + answered.map { .one(keys.address($0)) })
    guard let pair = found.first?.first else { return [] }
    let attachment = try Attachment(pair)
    let lost = zip(answered, found.dropFirst()).filter { _, pairs in
      pairs.first.flatMap { AddressHolder($0)?.attempt } != attachment.attempt
    }
    return attachment.addresses.filter { address in !lost.contains { $0.0 == address } }
  }

  /// The range sets without an available address.
  public mutating func exhausted(
    _ sets: [RangeSet], using random: inout some RandomNumberGenerator
  ) throws(CNIError) -> [RangeSet] {
    var searches: [Search] = []
    for set in sets { searches.append(Search(set, asked: nil, blocks: nil, keys, using: &random)) }
    while searches.contains(where: \.isOpen) { _ = try look([], &searches, using: &random) }
    return searches.filter(\.isExhausted).map(\.set)
  }

  /// The values of these keys, all read in one transaction.
  mutating func read(_ wanted: [EtcdKeys]) throws(CNIError) -> [[EtcdPair]] {
    let found = try store.transact(EtcdTransaction(wanted.map { .read($0) })).found
    guard found.count == wanted.count else {
      throw CNIError(.etcdRefused, "read \(wanted.count) keys of etcd: \(found.count) answers")
    }
    return found
  }

  /// Reads the next keys of every open search, and these keys with them.
  ///
  /// - Returns: the values of `wanted`.
  mutating func look(
    _ wanted: [EtcdKeys], _ searches: inout [Search], using random: inout some RandomNumberGenerator
  ) throws(CNIError) -> [[EtcdPair]] {
    // etcd accepts 128 operations in one transaction unless `--max-txn-ops` changes that.
    let budget = max(1, 96 / max(1, searches.count))
    var counts: [Int] = []
    var reads = wanted
    for index in searches.indices {
      let own = searches[index].isOpen ? searches[index].reads(budget, using: &random) : []
      counts.append(own.count)
      reads += own
    }
    let found = try read(reads)
    var rest = found.dropFirst(wanted.count)
    for (index, count) in zip(searches.indices, counts) where searches[index].isOpen {
      try searches[index].learn(rest.prefix(count).flatMap(\.self), using: &random)
      rest = rest.dropFirst(count)
    }
    return Array(found.prefix(wanted.count))
  }
}
