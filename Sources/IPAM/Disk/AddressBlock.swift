import NetTypes

/// A bitmap of the leased addresses in a block of 512 consecutive addresses.
struct AddressBlock {
  static let bits: UInt128 = 9
  static let words = 8

  /// The block's family and number.
  var key: BlockKey
  var bitmap: [UInt64]

  init(_ key: BlockKey) {
    self.key = key
    bitmap = [UInt64](repeating: 0, count: Self.words)
  }

  init(slot words: [UInt64]) {
    key = BlockKey(family: words[0] == 4 ? .v4 : .v6, number: UInt128(words[1]) << 64 | UInt128(words[2]))
    bitmap = Array(words[3...])
  }

  var slot: [UInt64] { key.words + bitmap }

  func contains(_ bit: Int) -> Bool { bitmap[bit >> 6] >> UInt64(bit & 63) & 1 == 1 }

  mutating func set(_ bit: Int, to isLeased: Bool) {
    let mask = UInt64(1) << UInt64(bit & 63)
    if isLeased { bitmap[bit >> 6] |= mask } else { bitmap[bit >> 6] &= ~mask }
  }

  /// The lowest free bit in `range`.
  func firstFree(in range: ClosedRange<Int>) -> Int? {
    for word in (range.lowerBound >> 6)...(range.upperBound >> 6) {
      let free = ~bitmap[word] & Self.mask(word, range)
      if free != 0 { return word << 6 + free.trailingZeroBitCount }
    }
    return nil
  }

  func count(in range: ClosedRange<Int>) -> Int {
    ((range.lowerBound >> 6)...(range.upperBound >> 6)).reduce(0) { sum, word in
      sum + (bitmap[word] & Self.mask(word, range)).nonzeroBitCount
    }
  }

  /// The bits of that word that are in `range`.
  private static func mask(_ word: Int, _ range: ClosedRange<Int>) -> UInt64 {
    let low = max(range.lowerBound - word << 6, 0), high = min(range.upperBound - word << 6, 63)
    guard low <= high else { return 0 }
    return (UInt64.max << UInt64(low)) & (UInt64.max >> UInt64(63 - high))
  }
}

/// Names a block: the family and the address without its nine low bits.
struct BlockKey: Hashable {
  var family: IPFamily
  var number: UInt128

  init(family: IPFamily, number: UInt128) {
    self.family = family
    self.number = number
  }

  init(_ address: IPAddress) {
    family = address.family
    number = address.value >> AddressBlock.bits
  }

  var words: [UInt64] {
    [family == .v4 ? 4 : 6, UInt64(truncatingIfNeeded: number >> 64), UInt64(truncatingIfNeeded: number)]
  }

  var hash: UInt64 { words.reduce(0) { ($0 ^ $1).mixed } }

  /// The bits of this block that `span` covers; `nil` if there are none.
  func bits(of span: AddressSpan) -> ClosedRange<Int>? {
    guard span.family == family else { return nil }
    let start = number << AddressBlock.bits, end = start | 511
    guard span.first.value <= end, span.last.value >= start else { return nil }
    return Int(max(span.first.value, start) - start)...Int(min(span.last.value, end) - start)
  }
}

extension IPAddress {
  /// The address's bit in its block.
  var blockBit: Int { Int(value & 511) }
}
