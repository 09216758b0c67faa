import NetTypes

/// Blocks of addresses that a host uses first: only a preference, as any host can use any free address.
struct Blocks {
  var own: [IPPrefix]
  /// The number of addresses in each block: a power of two.
  var size: UInt128

  /// Some of the blocks that have addresses in `spans`; if there are few blocks, most likely all of them.
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
