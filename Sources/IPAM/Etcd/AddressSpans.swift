import NetTypes

extension [AddressSpan] {
  /// How many addresses all spans have; at most the largest number.
  var addressCount: UInt128 {
    reduce(0) { sum, span in
      let (total, overflow) = sum.addingReportingOverflow(span.count)
      return overflow ? .max : total
    }
  }

  /// The address at that position; `nil` if there are fewer addresses.
  private func address(_ number: UInt128) -> IPAddress? {
    var number = number
    for span in self {
      guard number >= span.count else { return span.first.advanced(by: number) }
      number -= span.count
    }
    return nil
  }

  func randomAddress(using random: inout some RandomNumberGenerator) -> IPAddress? {
    isEmpty ? nil : address(UInt128.random(in: 0..<addressCount, using: &random))
  }

  /// `count` different addresses in random order, or all of them if there are fewer.
  func sample(_ count: Int, using random: inout some RandomNumberGenerator) -> [IPAddress] {
    guard addressCount > UInt128(count) else { return flatMap { $0.all }.shuffled(using: &random) }
    var chosen: Set<IPAddress> = []
    var sample: [IPAddress] = []
    while sample.count < count, let address = randomAddress(using: &random) {
      if chosen.insert(address).inserted { sample.append(address) }
    }
    return sample
  }

  /// The parts of the spans that are in one of these prefixes.
  func intersection(with prefixes: [IPPrefix]) -> [AddressSpan] {
    flatMap { span in
      prefixes.compactMap { prefix in
        guard span.overlaps(AddressSpan(prefix)) else { return nil }
        return AddressSpan(Swift.max(span.first, prefix.first), through: Swift.min(span.last, prefix.last))
      }
    }
  }
}

extension AddressSpan {
  /// Every address; only for short spans.
  var all: [IPAddress] {
    Array(sequence(first: first) { $0 < last ? $0.advanced(by: 1) : nil })
  }
}
