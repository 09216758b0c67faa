public import CNI
public import Etcd
public import NetTypes

/// The leases of one network in etcd, as one host sees them.
///
/// Throws code 11 where etcd has no quorum, 108 where it refuses.
public struct LeaseTable<Store: EtcdStore & ~Copyable>: ~Copyable {
  var store: Store
  let keys: LeaseKeys

  /// - Parameters:
  ///   - store: the cluster.
  ///   - keys: the network and this host.
  public init(_ store: consuming Store, _ keys: LeaseKeys) {
    self.store = store
    self.keys = keys
  }
}

extension LeaseTable where Store: ~Copyable {
  /// The addresses that the attachment has on this host, out of those that its ADD wrote down.
  ///
  /// `answered` are looked up too: one that somebody else holds now does not count.
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

  /// The sets out of which nothing can be given.
  public mutating func exhausted(
    _ sets: [RangeSet], using random: inout some RandomNumberGenerator
  ) throws(CNIError) -> [RangeSet] {
    var searches: [Search] = []
    for set in sets { searches.append(Search(set, asked: nil, blocks: nil, keys, using: &random)) }
    while searches.contains(where: \.isOpen) { _ = try look([], &searches, using: &random) }
    return searches.filter(\.isExhausted).map(\.set)
  }

  /// What each of these keys holds, all at one moment.
  mutating func read(_ wanted: [EtcdKeys]) throws(CNIError) -> [[EtcdPair]] {
    let found = try store.transact(EtcdTransaction(wanted.map { .read($0) })).found
    guard found.count == wanted.count else {
      throw CNIError(.etcdRefused, "read \(wanted.count) keys of etcd: \(found.count) answers")
    }
    return found
  }

  /// Reads on for every search that is open, and these keys with them.
  ///
  /// - Returns: what the keys hold.
  mutating func look(
    _ wanted: [EtcdKeys], _ searches: inout [Search], using random: inout some RandomNumberGenerator
  ) throws(CNIError) -> [[EtcdPair]] {
    // etcd takes 128 operations in one transaction unless told otherwise.
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
