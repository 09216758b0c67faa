/// Whether a condition holds for a packet of which not everything is known.
enum Answer: Equatable, Sendable {
  case yes, no, maybe

  init(_ holds: Bool) { self = holds ? .yes : .no }

  var negated: Answer { self == .maybe ? .maybe : Answer(self == .no) }
}

/// What a register of nf_tables holds, as far as it is known.
struct KnownBytes: Equatable, Sendable {
  var value: [UInt8]
  /// The bits of `value` that are known.
  var mask: [UInt8]
  /// What it certainly does not begin with.
  var isNot: [[UInt8]] = []

  init(_ value: [UInt8], mask: [UInt8]? = nil) {
    self.value = value
    self.mask = mask ?? [UInt8](repeating: 0xFF, count: value.count)
  }

  /// Nothing is known but what it is not.
  init(unknown count: Int, isNot: [[UInt8]] = []) {
    value = [UInt8](repeating: 0, count: count)
    mask = value
    self.isNot = isNot
  }

  var isWhole: Bool { mask.allSatisfy { $0 == 0xFF } }

  /// Whether its first bytes are these.
  func begins(with other: [UInt8]) -> Answer {
    guard other.count <= value.count else { return .maybe }
    if isNot.contains(where: { other.starts(with: $0) }) { return .no }
    var isCertain = true
    for (index, byte) in other.enumerated() {
      if (value[index] ^ byte) & mask[index] != 0 { return .no }
      if mask[index] != 0xFF { isCertain = false }
    }
    return isCertain ? .yes : .maybe
  }

  /// Equals `(value & mask) ^ xor`.
  func masked(_ bits: [UInt8], xor: [UInt8]) -> KnownBytes {
    guard bits.count == xor.count, bits.count <= value.count else { return KnownBytes(unknown: value.count) }
    var result = KnownBytes(unknown: bits.count)
    for index in bits.indices {
      result.value[index] = (value[index] & bits[index]) ^ xor[index]
      result.mask[index] = mask[index] | ~bits[index]
    }
    return result
  }
}
