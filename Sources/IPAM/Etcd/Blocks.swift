import NetTypes

/// Blocks of addresses that a host takes from before others: they only say where to look.
struct Blocks {
  var own: [IPPrefix]
  /// Addresses in each: a power of two.
  var size: UInt128

  /// Some of the blocks that have addresses in `spans`; where there are few, most likely all.
  static func sample(
    _ count: Int, of size: UInt128, in spans: [AddressSpan], using random: inout some RandomNumberGenerator
  ) -> [IPPrefix] {
    var seen: Set<IPPrefix> = []
    let blocks = spans.sample(8 * count, using: &random).compactMap { address in
      IPPrefix(address, length: address.family.bitWidth - size.trailingZeroBitCount)?.network
    }
    return Array(blocks.filter { seen.insert($0).inserted }.prefix(count))
  }
}
