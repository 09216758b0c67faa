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
  /// Also reads the keys of `resultAddresses`: an address that another attachment holds now does not count.
  public mutating func addresses(of owner: AttachmentID, resultAddresses: [IPAddress]) throws(CNIError) -> [IPAddress] {
    let key = keys.attachment(AttachmentKey(owner))
    let results = try read([.one(key)] + resultAddresses.map { .one(keys.address($0)) })
    guard let pair = results.first?.first else { return [] }
    let attachment = try AttachmentRecord(pair)
    let lost = zip(resultAddresses, results.dropFirst()).filter { _, pairs in
      pairs.first.flatMap { AddressRecord($0)?.attempt } != attachment.attempt
    }
    return attachment.addresses.filter { address in !lost.contains { $0.0 == address } }
  }

  /// The range sets without an available address.
  public mutating func exhausted(
    _ sets: [RangeSet], using random: inout some RandomNumberGenerator
  ) throws(CNIError) -> [RangeSet] {
    var searches: [Search] = []
    for set in sets { searches.append(Search(set, requested: nil, blocks: nil, keys, using: &random)) }
    while searches.contains(where: { $0.isOpen }) { _ = try readNextKeys([], &searches, using: &random) }
    return searches.filter { $0.isExhausted }.map { $0.set }
  }

  /// The values of these keys, all read in one transaction.
  mutating func read(_ keysToRead: [EtcdKeys]) throws(CNIError) -> [[EtcdPair]] {
    let results = try store.transact(EtcdTransaction(keysToRead.map { .read($0) })).readResults
    guard results.count == keysToRead.count else {
      throw CNIError(.etcdRefused, "read \(keysToRead.count) keys of etcd: \(results.count) answers")
    }
    return results
  }

  /// Reads the next keys of every open search, and these keys with them.
  ///
  /// - Returns: the values of `keysToRead`.
  mutating func readNextKeys(
    _ keysToRead: [EtcdKeys], _ searches: inout [Search], using random: inout some RandomNumberGenerator
  ) throws(CNIError) -> [[EtcdPair]] {
    // etcd accepts 128 operations in one transaction unless `--max-txn-ops` changes that.
    let budget = max(1, 96 / max(1, searches.count))
    var counts: [Int] = []
    var reads = keysToRead
    for index in searches.indices {
      let own = searches[index].isOpen ? searches[index].reads(budget, using: &random) : []
      counts.append(own.count)
      reads += own
    }
    let results = try read(reads)
    var rest = results.dropFirst(keysToRead.count)
    for (index, count) in zip(searches.indices, counts) where searches[index].isOpen {
      try searches[index].evaluate(rest.prefix(count).flatMap { $0 }, using: &random)
      rest = rest.dropFirst(count)
    }
    return Array(results.prefix(keysToRead.count))
  }
}

extension LeaseTable where Store: ~Copyable {
  /// Releases the attachment's addresses on this host; no-op if it has none.
  ///
  /// An attachment with the same names on another host keeps its addresses.
  public mutating func release(_ owner: AttachmentID) throws(CNIError) {
    guard let pair = try read([.one(keys.attachment(AttachmentKey(owner)))])[0].first else { return }
    try release(pair)
  }

  /// Releases the addresses of this host's attachments that are not in `valid`, and blocks that have no addresses then.
  ///
  /// Continues after failures. An empty `valid` releases everything, for a host that is removed for good.
  public mutating func releaseAll(except valid: Set<ValidAttachments.Attachment>) throws(CNIError) {
    let results = try read([.prefixed(keys.attachments), .prefixed(keys.ownBlocks)])
    let keep = Set(
      valid.map { AttachmentKey(container: $0.containerID.description, interface: $0.ifname.description) })
    var failures: [CNIError] = []
    var kept: [IPAddress] = []
    for pair in results[0] {
      do throws(CNIError) {
        if let owner = keys.attachment(of: pair.key), keep.contains(owner) {
          kept += try AttachmentRecord(pair).addresses
        } else {
          try release(pair)
        }
      } catch { failures.append(error) }
    }
    let unused = results[1].compactMap { keys.block(of: $0.key) }.filter { !kept.contains(where: $0.contains) }
    // An attachment that could not be read may have addresses in any block.
    for block in unused where failures.isEmpty {
      do throws(CNIError) { try release(block) } catch { failures.append(error) }
    }
    if let error = CNIError(joining: failures) { throw error }
  }

  /// Deletes the attachment and those of its addresses that it still holds, in one transaction.
  private mutating func release(_ pair: EtcdPair) throws(CNIError) {
    let attachment = try AttachmentRecord(pair)
    guard let owner = keys.attachment(of: pair.key) else { return }
    let value = AddressRecord(owner: owner, node: keys.node, attempt: attachment.attempt).bytes
    let addresses = attachment.addresses.map(keys.address)
    var own = addresses
    var conditions = [EtcdTransaction.Condition.isUnchanged(pair.key, since: pair.modified)]
    conditions += addresses.map { .hasValue($0, value) }
    for _ in 0..<Self.releaseAttempts {
      let outcome = try store.transact(
        EtcdTransaction(
          where: conditions, ([pair.key] + own).map { .delete(.one($0)) },
          otherwise: ([pair.key] + addresses).map { .read(.one($0)) }))
      if outcome.isSuccess { return }
      let results = outcome.readResults.flatMap { $0 }
      // Another process has released this attachment; a later ADD may have written the key again.
      guard results.contains(where: { $0.key == pair.key && $0.modified == pair.modified }) else { return }
      let left = results.filter { $0.key != pair.key && AddressRecord($0)?.attempt == attachment.attempt }
      own = left.map { $0.key }
      conditions = ([pair] + left).map { .isUnchanged($0.key, since: $0.modified) }
    }
    throw CNIError(
      .tryAgainLater, "release \(pair.key) of etcd: other processes changed its addresses \(Self.releaseAttempts) times"
    )
  }

  private static var releaseAttempts: Int { 8 }

  private mutating func release(_ block: IPPrefix) throws(CNIError) {
    let own = EtcdTransaction.Operation.delete(.one(keys.ownBlock(block)))
    _ = try store.transact(
      EtcdTransaction(
        where: [.hasValue(keys.block(block), Array(keys.node.description.utf8))],
        [.delete(.one(keys.block(block))), own], otherwise: [own]))
  }
}

/// A request of one attachment for addresses: one of each range set.
public struct LeaseRequest: Sendable {
  public var owner: AttachmentID
  public var sets: [RangeSet]
  /// Addresses that the runtime requests; range sets without one give any address.
  public var requested: [IPAddress]
  /// How many addresses this host reserves for itself at a time, a power of two; `nil`: none.
  public var blockSize: Int?

  public init(owner: AttachmentID, sets: [RangeSet], requested: [IPAddress] = [], blockSize: Int? = nil) {
    self.owner = owner
    self.sets = sets
    self.requested = requested
    self.blockSize = blockSize
  }
}

extension LeaseTable where Store: ~Copyable {
  /// Leases one address of each range set, in their order; all of them or none.
  ///
  /// Reads before it writes: if etcd has no quorum, the read fails, and most likely no write is carried out later.
  ///
  /// - Throws: 102 if a set has none left, 103 if a requested address is not available, 104 if the attachment already has
  ///   addresses, 11 if other processes changed the leases 64 times.
  public mutating func allocate(
    _ request: LeaseRequest, using random: inout some RandomNumberGenerator
  ) throws(CNIError) -> [AddressRange.Assignment] {
    let attempt = Attempt(request, String(UInt64.random(in: 0 ... .max, using: &random), radix: 16))
    var searches = try beginSearches(attempt, using: &random)
    for _ in 0..<Self.allocationAttempts {
      while searches.contains(where: { $0.isOpen }) { _ = try readNextKeys([], &searches, using: &random) }
      if let search = searches.first(where: { $0.isExhausted }) { throw search.set.exhaustedError(in: keys.network) }
      switch try take(searches.compactMap { $0.choice }, attempt) {
      case .won(let addresses): return addresses
      case .lost(let results): for index in searches.indices { try searches[index].dropTakenChoice(results) }
      }
    }
    throw CNIError(
      .tryAgainLater,
      "lease addresses of network \(keys.network): other processes changed the leases \(Self.allocationAttempts) times")
  }

  /// The addresses that `allocate` would most likely lease now; leases none.
  public mutating func choose(
    _ request: LeaseRequest, using random: inout some RandomNumberGenerator
  ) throws(CNIError) -> [AddressRange.Assignment] {
    var searches = try beginSearches(Attempt(request, ""), using: &random)
    while searches.contains(where: { $0.isOpen }) { _ = try readNextKeys([], &searches, using: &random) }
    if let search = searches.first(where: { $0.isExhausted }) { throw search.set.exhaustedError(in: keys.network) }
    return searches.compactMap { $0.choice?.assignment }
  }

  private static var allocationAttempts: Int { 64 }

  /// Checks that the attachment has no addresses, and reads for the first time which ones are free.
  private mutating func beginSearches(
    _ attempt: Attempt, using random: inout some RandomNumberGenerator
  ) throws(CNIError) -> [Search] {
    let request = attempt.request
    let requested = try request.sets.requestedPerSet(request.requested)
    let attachment = EtcdKeys.one(keys.attachment(attempt.holder))
    var searches: [Search] = []
    var blocks: Blocks?
    if let size = request.blockSize {
      let results = try readNextKeys([attachment, .prefixed(keys.ownBlocks)], &searches, using: &random)
      try checkNotAttached(results[0], attempt)
      blocks = Blocks(own: results[1].compactMap { keys.block(of: $0.key) }, size: UInt128(size))
    }
    for (set, requested) in zip(request.sets, requested) {
      searches.append(Search(set, requested: requested, blocks: blocks, keys, using: &random))
    }
    if blocks == nil { try checkNotAttached(try readNextKeys([attachment], &searches, using: &random)[0], attempt) }
    return searches
  }

  private func checkNotAttached(_ results: [EtcdPair], _ attempt: Attempt) throws(CNIError) {
    guard let pair = results.first else { return }
    throw CNIError.leased(
      try AttachmentRecord(pair).addresses, to: LeaseHolder(attempt.request.owner), in: keys.network)
  }

  private mutating func take(_ choices: [Search.Choice], _ attempt: Attempt) throws(CNIError) -> TakeResult {
    let transaction = attempt.transaction(choices, keys)
    do throws(CNIError) {
      return try interpret(choices, attempt, try store.transact(transaction))
    } catch  where error.code == .tryAgainLater {
      return try interpret(choices, attempt, try repeatTransaction(transaction))
    }
  }

  /// Repeats a transaction that got no answer.
  ///
  /// If the first try was carried out, etcd has the attachment with this attempt's ID.
  private mutating func repeatTransaction(_ transaction: EtcdTransaction) throws(CNIError) -> EtcdOutcome {
    do throws(CNIError) {
      return try store.transact(transaction)
    } catch {
      let warning = "etcd may still carry it out: DEL releases the addresses"
      throw CNIError(
        error.code, error.message, details: error.details.isEmpty ? warning : "\(error.details); \(warning)")
    }
  }

  private func interpret(
    _ choices: [Search.Choice], _ attempt: Attempt, _ outcome: EtcdOutcome
  ) throws(CNIError) -> TakeResult {
    if outcome.isSuccess { return .won(choices.map { $0.assignment }) }
    let results = outcome.readResults.flatMap { $0 }
    guard let pair = results.first(where: { $0.key == keys.attachment(attempt.holder) }) else { return .lost(results) }
    let attachment = try AttachmentRecord(pair)
    guard attachment.attempt == attempt.id else {
      throw CNIError.leased(attachment.addresses, to: LeaseHolder(attempt.request.owner), in: keys.network)
    }
    return .won(
      zip(attempt.request.sets, attachment.addresses).compactMap { set, address in
        set.range(containing: address).map { AddressRange.Assignment(address: address, range: $0) }
      })
  }
}

private enum TakeResult {
  case won([AddressRange.Assignment])
  /// With the keys that etcd has instead.
  case lost([EtcdPair])
}

/// One ADD, from its first read to its end.
private struct Attempt {
  var request: LeaseRequest
  /// An ID that differs for every ADD.
  var id: String
  var holder: AttachmentKey

  init(_ request: LeaseRequest, _ id: String) {
    self.request = request
    self.id = id
    holder = AttachmentKey(request.owner)
  }

  func transaction(_ choices: [Search.Choice], _ keys: LeaseKeys) -> EtcdTransaction {
    let attachment = keys.attachment(holder)
    let addresses = choices.map { $0.assignment.address }
    let value = AddressRecord(owner: holder, node: keys.node, attempt: id).bytes
    var puts: [(String, [UInt8])] = [(attachment, AttachmentRecord(addresses: addresses, attempt: id).bytes)]
    puts += addresses.map { (keys.address($0), value) }
    // Two range sets of one family may choose the same block, and etcd refuses a transaction that writes a key twice.
    for block in Set(choices.compactMap { $0.block }) {
      puts += [(keys.block(block), Array(keys.node.description.utf8)), (keys.ownBlock(block), [])]
    }
    let taken = [attachment] + choices.flatMap { $0.keys(keys) }
    return EtcdTransaction(
      where: taken.map { .isAbsent($0) }, puts.map { .put($0.0, $0.1, lease: nil) },
      otherwise: taken.map { .read(.one($0)) })
  }
}
