/// An IPv4 or IPv6 address.
///
/// Ordered by number within a family; every IPv4 address sorts before every IPv6 address.
public struct IPAddress: TextCodable, Comparable {
  public static let expectedForm = "an IPv4 or IPv6 address"

  public let family: IPFamily
  /// The address as a number, in host byte order; below 2³² for IPv4.
  public let value: UInt128

  public init(v4 value: UInt32) {
    family = .v4
    self.value = UInt128(value)
  }

  public init(v6 value: UInt128) {
    family = .v6
    self.value = value
  }

  /// `nil` if `value` has more bits than an address of `family`.
  public init?(_ family: IPFamily, _ value: UInt128) {
    guard family == .v6 || value <= UInt128(UInt32.max) else { return nil }
    self.family = family
    self.value = value
  }

  /// Parses dotted-decimal IPv4 without leading zeros, and RFC 4291 IPv6 without a zone.
  ///
  /// An IPv4-mapped IPv6 address becomes the IPv4 address.
  public init?(_ text: String) {
    let bytes = Array(text.utf8)
    if bytes.contains(UInt8(ascii: ":")) {
      guard let number = parseIPv6(bytes[...]) else { return nil }
      self = number >> 32 == 0xFFFF ? IPAddress(v4: UInt32(truncatingIfNeeded: number)) : IPAddress(v6: number)
    } else {
      guard let number = parseIPv4(bytes[...]) else { return nil }
      self.init(v4: number)
    }
  }

  /// The address as text, for IPv6 as in RFC 5952.
  public var description: String {
    family == .v4 ? formatIPv4(UInt32(truncatingIfNeeded: value)) : formatIPv6(value)
  }

  public static func < (left: Self, right: Self) -> Bool {
    left.family == right.family ? left.value < right.value : left.family == .v4
  }

  /// The address plus `count`; `nil` beyond the last address of the family.
  public func advanced(by count: UInt128) -> IPAddress? {
    let (sum, overflow) = value.addingReportingOverflow(count)
    return overflow ? nil : IPAddress(family, sum)
  }

  /// The address before this one; `nil` for the lowest.
  public var predecessor: IPAddress? { value == 0 ? nil : IPAddress(family, value - 1) }

  /// The 4 or 16 bytes in network byte order.
  public var bytes: [UInt8] {
    stride(from: family.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> UInt128($0)) }
  }

  /// `nil` unless there are 4 or 16 bytes; in network byte order.
  @inlinable public init?(bytes: some Collection<UInt8>) {
    switch bytes.count {
    case 4: self.init(v4: bytes.reduce(0) { $0 << 8 | UInt32($1) })
    case 16: self.init(v6: bytes.reduce(UInt128(0)) { $0 << 8 | UInt128($1) })
    default: return nil
    }
  }

  /// Whether the address is 0.0.0.0 or ::, which mean "no address".
  public var isUnspecified: Bool { value == 0 }
  /// Whether the address is 255.255.255.255.
  public var isBroadcast: Bool { family == .v4 && value == UInt128(UInt32.max) }
  public var isMulticast: Bool { family == .v4 ? value >> 28 == 0xE : value >> 120 == 0xFF }
  public var isLoopback: Bool { family == .v4 ? value >> 24 == 127 : value == 1 }
  /// Whether the address is in fe80::/10 or 169.254.0.0/16.
  public var isLinkLocal: Bool { family == .v4 ? value >> 16 == 0xA9FE : value >> 118 == 0x3FA }
}
