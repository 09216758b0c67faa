/// Whether a condition is true for a packet of which only some fields are known.
enum Certainty: Equatable, Sendable {
  case yes, no, maybe

  init(_ holds: Bool) { self = holds ? .yes : .no }

  var negated: Certainty { self == .maybe ? .maybe : Certainty(self == .no) }
}

/// The value of an nf_tables register of which some bits are known.
struct PartialBytes: Equatable, Sendable {
  var value: [UInt8]
  /// The bits of `value` that are known.
  var mask: [UInt8]
  /// Prefixes that the value certainly does not have.
  var excluded: [[UInt8]] = []

  init(_ value: [UInt8], mask: [UInt8]? = nil) {
    self.value = value
    self.mask = mask ?? [UInt8](repeating: 0xFF, count: value.count)
  }

  /// A value of which no bit is known.
  init(unknown count: Int, excluded: [[UInt8]] = []) {
    value = [UInt8](repeating: 0, count: count)
    mask = value
    self.excluded = excluded
  }

  /// Whether all bits are known.
  var isWhole: Bool { mask.allSatisfy { $0 == 0xFF } }

  /// Whether the value begins with these bytes.
  func begins(with other: [UInt8]) -> Certainty {
    guard other.count <= value.count else { return .maybe }
    if excluded.contains(where: { other.starts(with: $0) }) { return .no }
    var isCertain = true
    for (index, byte) in other.enumerated() {
      if (value[index] ^ byte) & mask[index] != 0 { return .no }
      if mask[index] != 0xFF { isCertain = false }
    }
    return isCertain ? .yes : .maybe
  }

  /// Equals `(value & mask) ^ xor`.
  func masked(_ bits: [UInt8], xor: [UInt8]) -> PartialBytes {
    guard bits.count == xor.count, bits.count <= value.count else { return PartialBytes(unknown: value.count) }
    var result = PartialBytes(unknown: bits.count)
    for index in bits.indices {
      result.value[index] = (value[index] & bits[index]) ^ xor[index]
      result.mask[index] = mask[index] | ~bits[index]
    }
    return result
  }
}
