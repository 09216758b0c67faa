import NetTypes

/// The subnets of one length that the hosts of a network may have.
struct SubnetPool: Equatable {
  let prefix: IPPrefix
  let length: Int
  /// The first addresses of the first and of the last subnet.
  var first: IPAddress
  var last: IPAddress

  /// All subnets of `prefix` except the first one, which contains the network's own address.
  init(in prefix: IPPrefix, length: Int) {
    self.prefix = prefix
    self.length = length
    let size = UInt128(1) << UInt128(prefix.family.bitWidth - length)
    first = prefix.first.advanced(by: size) ?? prefix.first
    last = IPAddress(prefix.family, prefix.last.value - (size - 1)) ?? prefix.first
  }

  /// A subnet that overlaps none of `taken`, searched from a random one on; `nil` if there is none.
  func free(besides taken: [IPPrefix], random: (Range<UInt128>) -> UInt128) -> IPPrefix? {
    let same = Set(taken.filter { $0.length == length }.map { $0.network })
    let others = taken.filter { $0.length != length }
    let shift = UInt128(prefix.family.bitWidth - length)
    let count = (last.value - first.value) >> shift + 1
    let start = random(0..<count)
    var step: UInt128 = 0
    while step < count {
      defer { step += 1 }
      let offset = ((start + step) % count) << shift
      guard let address = first.advanced(by: offset), let subnet = IPPrefix(address, length: length) else { return nil }
      if !same.contains(subnet), !others.contains(where: { $0.overlaps(subnet) }) { return subnet }
    }
    return nil
  }
}
