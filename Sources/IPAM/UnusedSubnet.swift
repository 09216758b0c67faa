public import NetTypes

/// Chooses the subnet for `auto`.
public enum UnusedSubnet {
  /// The first of `candidates` that overlaps nothing in `used`.
  ///
  /// `seed` gives IPv6 the 40 random bits of RFC 4193.
  public static func choose(_ family: IPFamily, avoiding used: [IPPrefix], seed: UInt64) -> IPPrefix? {
    let taken = used.filter { $0.length > 0 }  // a default route covers every subnet, so it is ignored
    return candidates(family, seed: seed).first { candidate in !taken.contains(where: candidate.overlaps) }
  }

  /// IPv4 in Docker's order: 172.17.0.0/16 to 172.31.0.0/16, 192.168.0.0/16 as /20s, 10.0.0.0/8 as /16s.
  static func candidates(_ family: IPFamily, seed: UInt64) -> [IPPrefix] {
    if family == .v6 { return (0..<256).compactMap { localPrefix(seed &+ $0) } }
    var candidates: [IPPrefix?] = []
    for second: UInt32 in 17...31 { candidates.append(prefix(172 << 24 | second << 16, 16)) }
    for block: UInt32 in 0...15 { candidates.append(prefix(192 << 24 | 168 << 16 | block << 12, 20)) }
    for second: UInt32 in 0...255 { candidates.append(prefix(10 << 24 | second << 16, 16)) }
    return candidates.compactMap { $0 }
  }

  /// `fd`, the low 40 bits of `global`, subnet ID 0.
  private static func localPrefix(_ global: UInt64) -> IPPrefix? {
    let number = 0xFD << 120 | UInt128(global & 0xFF_FFFF_FFFF) << 80
    return IPPrefix(IPAddress(v6: number), length: 64)
  }

  private static func prefix(_ number: UInt32, _ length: Int) -> IPPrefix? {
    IPPrefix(IPAddress(v4: number), length: length)
  }
}
