import CNI
import Etcd
import NetTypes

/// Searches a free address of one range set: which keys to read next, and what their values mean.
///
/// Several searches share each read, so that a container with IPv4 and IPv6 does not wait longer.
struct Search {
  let set: RangeSet
  private let keys: LeaseKeys
  private var stages: [Stage]
  /// The candidates of the last `reads`.
  private var candidates = Candidates.addresses([])
  private(set) var choice: Choice?

  /// An address that was free when it was read.
  struct Choice: Equatable {
    var assignment: AddressRange.Assignment
    /// The block that this host reserves together with the address.
    var block: IPPrefix?

    /// The keys that must be absent when the address is taken.
    func keys(_ keys: LeaseKeys) -> [String] {
      [keys.address(assignment.address)] + (block.map { [keys.block($0)] } ?? [])
    }
  }

  private enum Stage: Equatable {
    /// Only the requested address.
    case requested(IPAddress)
    /// Some random addresses of these spans: if one in ten is free, one probe in thirty finds none.
    case probe([AddressSpan])
    /// All addresses of these spans, in parts; `block` is reserved with the address that is found.
    case sweep([AddressSpan], block: IPPrefix?)
    /// Blocks of that size that no host has, tried up to `tries` times.
    case reserveBlock(size: UInt128, tries: Int)
  }

  private enum Candidates {
    case addresses([IPAddress], rest: [AddressSpan] = [])
    case blocks([IPPrefix])
  }

  /// Searches any address of the set, or only `requested`; addresses in `blocks` come first.
  init(
    _ set: RangeSet, requested: IPAddress?, blocks: Blocks?, _ keys: LeaseKeys,
    using random: inout some RandomNumberGenerator
  ) {
    self.set = set
    self.keys = keys
    if let requested {
      stages = [.requested(requested)]
      return
    }
    stages = []
    if let blocks {
      let own = set.usable.intersection(with: blocks.own)
      if !own.isEmpty { stages += [.probe(own), .sweep(own, block: nil)] }
      stages.append(.reserveBlock(size: blocks.size, tries: 3))
    }
    let start = set.usable.randomAddress(using: &random)
    stages += Array(repeating: .probe(set.usable), count: 3)
    stages.append(.sweep(set.usable(after: start), block: nil))
  }

  /// Whether no address is left to try.
  var isExhausted: Bool { choice == nil && stages.isEmpty }
  var isOpen: Bool { choice == nil && !stages.isEmpty }

  /// The keys to read next: at most `budget`.
  mutating func reads(_ budget: Int, using random: inout some RandomNumberGenerator) -> [EtcdKeys] {
    switch stages.first {
    case .requested(let address): return read([address])
    case .probe(let spans): return read(spans.sample(min(32, budget), using: &random))
    case .sweep(let spans, _):
      let part = SweepPart(of: spans, budget, keys)
      candidates = .addresses(part.addresses, rest: part.rest)
      return part.reads
    case .reserveBlock(let size, _):
      let blocks = Blocks.sample(budget, of: size, in: set.usable, using: &random)
      candidates = .blocks(blocks)
      return blocks.map { .one(keys.block($0)) }
    case nil: return []
    }
  }

  private mutating func read(_ addresses: [IPAddress]) -> [EtcdKeys] {
    candidates = .addresses(addresses)
    return addresses.map { .one(keys.address($0)) }
  }

  /// Takes the result of the keys in `reads`: chooses an address, or goes to the next stage.
  ///
  /// - Throws: 103 if the requested address is taken.
  mutating func evaluate(_ existing: [EtcdPair], using random: inout some RandomNumberGenerator) throws(CNIError) {
    let taken = Set(existing.map { $0.key })
    switch candidates {
    case .addresses(let addresses, let rest):
      let free = addresses.filter { !taken.contains(keys.address($0)) }
      if let address = free.randomElement(using: &random), let range = set.range(containing: address) {
        choice = Choice(assignment: AddressRange.Assignment(address: address, range: range), block: sweptBlock)
      } else {
        try throwIfRequested(existing)
        endStage(rest)
      }
    case .blocks(let blocks):
      guard case .reserveBlock(let size, let tries)? = stages.first else { return }
      stages.removeFirst()
      guard let block = blocks.filter({ !taken.contains(keys.block($0)) }).randomElement(using: &random) else { return }
      if tries > 1 { stages.insert(.reserveBlock(size: size, tries: tries - 1), at: 0) }
      stages.insert(.sweep(set.usable.intersection(with: [block]), block: block), at: 0)
    }
  }

  private var sweptBlock: IPPrefix? {
    if case .sweep(_, let block)? = stages.first { block } else { nil }
  }

  private mutating func endStage(_ rest: [AddressSpan]) {
    let block = sweptBlock
    stages.removeFirst()
    if !rest.isEmpty { stages.insert(.sweep(rest, block: block), at: 0) }
  }

  private func throwIfRequested(_ existing: [EtcdPair]) throws(CNIError) {
    guard case .requested(let address)? = stages.first else { return }
    let holder = existing.first.flatMap { AddressRecord($0)?.description }
    throw CNIError.unavailable(
      address,
      holder.map { "it is leased to \($0)" } ?? "key \(keys.address(address)) of etcd has the value of another program")
  }

  /// Gives up a choice that another attachment took first; `existing` has the keys that exist now.
  ///
  /// - Throws: 103 if the address was requested.
  mutating func dropTakenChoice(_ existing: [EtcdPair]) throws(CNIError) {
    guard let lost = choice else { return }
    let taken = existing.filter { lost.keys(keys).contains($0.key) }
    guard !taken.isEmpty else { return }
    choice = nil
    try throwIfRequested(taken)
    // The same stage is tried again: its other addresses may still be free.
    if let block = lost.block, taken.contains(where: { $0.key == keys.block(block) }) { stages.removeFirst() }
  }
}

/// The next addresses to try, read with as few keys as possible.
private struct SweepPart {
  var addresses: [IPAddress] = []
  var reads: [EtcdKeys] = []
  var rest: [AddressSpan]

  /// The share of the budget for reading a whole /24: four such reads return about a third of a megabyte.
  private static let weight = 24

  init(of spans: [AddressSpan], _ budget: Int, _ keys: LeaseKeys) {
    rest = spans
    var left = budget
    while left > 0, let span = rest.first {
      let end = span.family == .v4 ? span.first.value | 255 : span.last.value
      let near = IPAddress(span.family, end).flatMap { span.upTo($0) } ?? span
      let isWhole = span.family == .v4 && near.count > UInt128(Self.weight)
      let short = span.first.advanced(by: UInt128(left - 1)).flatMap { near.upTo($0) } ?? near
      let part = isWhole ? near : short
      addresses += part.all
      reads += isWhole ? [keys.addressesInSubnet24(of: part.first)] : part.all.map { .one(keys.address($0)) }
      left -= isWhole ? Self.weight : Int(part.count)
      rest.replaceSubrange(..<1, with: [span.after(part.last)].compactMap { $0 })
    }
  }
}
