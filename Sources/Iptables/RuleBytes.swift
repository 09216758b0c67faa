import NetTypes

/// The offsets of fields in `struct ipt_entry` and `struct ip6t_entry`.
struct EntryShape {
  /// The offset of `nfcache`; the fields in front of it select the packets.
  var cache: Int
  /// The size of the struct, after which the matches begin.
  var size: Int
  var protocolNumber: Int
  var inverted: Int
  /// The number of bytes of an address.
  var address: Int

  init(_ family: IPFamily) {
    self = family == .v4 ? Self(84, 112, 80, 83, 4) : Self(136, 168, 128, 132, 16)
  }

  private init(_ cache: Int, _ size: Int, _ protocolNumber: Int, _ inverted: Int, _ address: Int) {
    self.cache = cache
    self.size = size
    self.protocolNumber = protocolNumber
    self.inverted = inverted
    self.address = address
  }

  /// The offset of `target_offset` (two bytes), which `next_offset` follows.
  var targetOffset: Int { cache + 4 }
  var inDevice: Int { 4 * address }
  var outDevice: Int { inDevice + 16 }
}

extension TableRule {
  /// `struct ipt_entry` or `struct ip6t_entry` with its matches and its target; the counters are 0.
  var bytes: [UInt8] {
    let shape = EntryShape(family)
    let matches = matches.flatMap { $0.bytes }
    let target = target.bytes(family)
    var all = Bytes()
    putHeader(to: &all)
    all.zeros(shape.targetOffset - all.all.count)
    all.put(UInt16(shape.size + matches.count))
    all.put(UInt16(shape.size + matches.count + target.count))
    all.zeros(shape.size - all.all.count)
    all.put(matches)
    all.put(target)
    return all.all
  }

  /// `struct ipt_ip` or `struct ip6t_ip6`.
  private func putHeader(to all: inout Bytes) {
    let none = IPPrefix.everything(family)
    let prefixes = [source?.value ?? none, destination?.value ?? none]
    for prefix in prefixes { all.put(prefix.first.bytes) }
    for prefix in prefixes { all.put(prefix.mask.bytes) }
    for device in [inDevice, outDevice] { all.put(device?.value.name.description ?? "", in: 16) }
    for device in [inDevice, outDevice] {
      let count = device.map { $0.value.comparedByteCount } ?? 0
      all.put(repeatElement(0xFF, count: count))
      all.zeros(16 - count)
    }
    all.put(UInt16(transport?.number ?? 0))
    if family == .v6 { all.zeros(1) }
    all.put(UInt8(family == .v6 && transport != nil ? 1 : 0))  // IP6T_F_PROTO
    let negated = [
      (inDevice?.isNegated, 1), (outDevice?.isNegated, 2), (source?.isNegated, 8), (destination?.isNegated, 16),
    ]
    all.put(UInt8(negated.reduce(0) { $1.0 == true ? $0 | $1.1 : $0 }))
  }

  /// The comparison key, which two equivalent rules share; `PresentRule.key` has the same form.
  var key: [UInt8] {
    PresentRule(family, bytes, target: target.name, isExtension: target.isExtension).key
  }
}

extension Device {
  /// The number of compared bytes, which includes the terminating NUL except for a prefix.
  fileprivate var comparedByteCount: Int { name.description.utf8.count + (isPrefix ? -1 : 1) }
}

extension IPPrefix {
  fileprivate var mask: IPAddress {
    let ones = family == .v4 ? UInt128(UInt32.max) : .max
    let hosts = hostBits == 128 ? UInt128.max : (1 << UInt128(hostBits)) - 1
    return IPAddress(family, ones & ~hosts) ?? address
  }
}
