import NetTypes

extension [AddressSpan] {
  /// How many addresses; the largest number there is where that is not enough.
  var addressCount: UInt128 {
    reduce(0) { sum, span in
      let (total, overflow) = sum.addingReportingOverflow(span.count)
      return overflow ? .max : total
    }
  }

  /// `nil` where there are not so many.
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

  /// That many different addresses in no order, or as many as there are.
  func sample(_ count: Int, using random: inout some RandomNumberGenerator) -> [IPAddress] {
    guard addressCount > UInt128(count) else { return flatMap(\.all).shuffled(using: &random) }
    var chosen: Set<IPAddress> = []
    var sample: [IPAddress] = []
    while sample.count < count, let address = randomAddress(using: &random) {
      if chosen.insert(address).inserted { sample.append(address) }
    }
    return sample
  }

  /// What is in one of these prefixes too.
  func inside(_ prefixes: [IPPrefix]) -> [AddressSpan] {
    flatMap { span in
      prefixes.compactMap { prefix in
        guard span.overlaps(AddressSpan(prefix)) else { return nil }
        return AddressSpan(Swift.max(span.first, prefix.first), through: Swift.min(span.last, prefix.last))
      }
    }
  }
}

extension AddressSpan {
  /// Every address; for spans that are known to be short.
  var all: [IPAddress] {
    Array(sequence(first: first) { $0 < last ? $0.advanced(by: 1) : nil })
  }
}
