public import CNI
import Etcd
public import NetTypes

/// A request of one attachment for addresses: one of each range set.
public struct LeaseRequest: Sendable {
  public var owner: Owner
  public var sets: [RangeSet]
  /// Addresses that the runtime requests; range sets without one give any address.
  public var wanted: [IPAddress]
  /// How many addresses this host reserves for itself at a time, a power of two; `nil`: none.
  public var blockSize: Int?

  public init(owner: Owner, sets: [RangeSet], wanted: [IPAddress] = [], blockSize: Int? = nil) {
    self.owner = owner
    self.sets = sets
    self.wanted = wanted
    self.blockSize = blockSize
  }
}

extension LeaseTable where Store: ~Copyable {
  /// Leases one address of each range set, in their order; all of them or none.
  ///
  /// Reads before it writes: if etcd has no quorum, the read fails, and most likely no write is carried out later.
  ///
  /// - Throws: 102 if a set has none left, 103 if a requested address is not available, 104 if the attachment already has
  ///   addresses, 11 if other hosts were faster 64 times.
  public mutating func allocate(
    _ request: LeaseRequest, using random: inout some RandomNumberGenerator
  ) throws(CNIError) -> [AddressRange.Assignment] {
    let attempt = Attempt(request, String(UInt64.random(in: 0 ... .max, using: &random), radix: 16))
    var searches = try begin(attempt, using: &random)
    for _ in 0..<Self.patience {
      while searches.contains(where: \.isOpen) { _ = try look([], &searches, using: &random) }
      if let search = searches.first(where: \.isExhausted) { throw search.set.exhaustion(in: keys.network) }
      switch try take(searches.compactMap(\.choice), attempt) {
      case .won(let addresses): return addresses
      case .lost(let found): for index in searches.indices { try searches[index].lose(found) }
      }
    }
    throw CNIError(
      .tryAgainLater, "lease addresses of network \(keys.network): others were faster \(Self.patience) times")
  }

  /// The addresses that `allocate` would most likely lease now; leases none.
  public mutating func choose(
    _ request: LeaseRequest, using random: inout some RandomNumberGenerator
  ) throws(CNIError) -> [AddressRange.Assignment] {
    var searches = try begin(Attempt(request, ""), using: &random)
    while searches.contains(where: \.isOpen) { _ = try look([], &searches, using: &random) }
    if let search = searches.first(where: \.isExhausted) { throw search.set.exhaustion(in: keys.network) }
    return searches.compactMap { $0.choice?.assignment }
  }

  private static var patience: Int { 64 }

  /// Checks that the attachment has no addresses, and reads for the first time which ones are free.
  private mutating func begin(
    _ attempt: Attempt, using random: inout some RandomNumberGenerator
  ) throws(CNIError) -> [Search] {
    let request = attempt.request
    let asked = try request.sets.asked(request.wanted)
    let attachment = EtcdKeys.one(keys.attachment(attempt.holder))
    var searches: [Search] = []
    var blocks: Blocks?
    if let size = request.blockSize {
      let found = try look([attachment, .prefixed(keys.ownBlocks)], &searches, using: &random)
      try refuseSecond(found[0], attempt)
      blocks = Blocks(own: found[1].compactMap { keys.block(of: $0.key) }, size: UInt128(size))
    }
    for (set, asked) in zip(request.sets, asked) {
      searches.append(Search(set, asked: asked, blocks: blocks, keys, using: &random))
    }
    if blocks == nil { try refuseSecond(try look([attachment], &searches, using: &random)[0], attempt) }
    return searches
  }

  private func refuseSecond(_ found: [EtcdPair], _ attempt: Attempt) throws(CNIError) {
    guard let pair = found.first else { return }
    throw CNIError.leased(
      try Attachment(pair).addresses, to: LeaseHolder(attempt.request.owner), in: keys.network)
  }

  private mutating func take(_ choices: [Search.Choice], _ attempt: Attempt) throws(CNIError) -> Taking {
    let transaction = attempt.transaction(choices, keys)
    do throws(CNIError) {
      return try settle(choices, attempt, try store.transact(transaction))
    } catch  where error.code == .tryAgainLater {
      return try settle(choices, attempt, try repeated(transaction))
    }
  }

  /// Repeats a transaction that got no answer.
  ///
  /// If the first try was carried out, etcd has the attachment with this attempt's ID.
  private mutating func repeated(_ transaction: EtcdTransaction) throws(CNIError) -> EtcdOutcome {
    do throws(CNIError) {
      return try store.transact(transaction)
    } catch {
      let warning = "it may be carried out all the same: DEL releases it"
      throw CNIError(
        error.code, error.message, details: error.details.isEmpty ? warning : "\(error.details); \(warning)")
    }
  }

  private func settle(
    _ choices: [Search.Choice], _ attempt: Attempt, _ outcome: EtcdOutcome
  ) throws(CNIError) -> Taking {
    if outcome.isSuccess { return .won(choices.map(\.assignment)) }
    let found = outcome.found.flatMap(\.self)
    guard let pair = found.first(where: { $0.key == keys.attachment(attempt.holder) }) else { return .lost(found) }
    let attachment = try Attachment(pair)
    guard attachment.attempt == attempt.id else {
      throw CNIError.leased(attachment.addresses, to: LeaseHolder(attempt.request.owner), in: keys.network)
    }
    return .won(
      zip(attempt.request.sets, attachment.addresses).compactMap { set, address in
        set.range(holding: address).map { AddressRange.Assignment(address: address, range: $0) }
      })
  }
}

private enum Taking {
  case won([AddressRange.Assignment])
  /// With the keys that etcd has instead.
  case lost([EtcdPair])
}

/// One ADD, from its first read to its end.
private struct Attempt {
  var request: LeaseRequest
  /// An ID that differs for every ADD.
  var id: String
  var holder: LeaseOwner

  init(_ request: LeaseRequest, _ id: String) {
    self.request = request
    self.id = id
    holder = LeaseOwner(request.owner)
  }

  func transaction(_ choices: [Search.Choice], _ keys: LeaseKeys) -> EtcdTransaction {
    let attachment = keys.attachment(holder)
    let addresses = choices.map(\.assignment.address)
    let value = AddressHolder(owner: holder, node: keys.node, attempt: id).bytes
    var puts: [(String, [UInt8])] = [(attachment, Attachment(addresses: addresses, attempt: id).bytes)]
    puts += addresses.map { (keys.address($0), value) }
    // Two range sets of one family may choose the same block, and etcd refuses a transaction that writes a key twice.
    for block in Set(choices.compactMap(\.block)) {
      puts += [(keys.block(block), Array(keys.node.description.utf8)), (keys.ownBlock(block), [])]
    }
    let taken = [attachment] + choices.flatMap { $0.keys(keys) }
    return EtcdTransaction(
      where: taken.map { .isAbsent($0) }, puts.map { .put($0.0, $0.1, lease: nil) },
      otherwise: taken.map { .read(.one($0)) })
  }
}
