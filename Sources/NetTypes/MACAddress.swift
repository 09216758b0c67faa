/// A 48-bit Ethernet hardware address.
public struct MACAddress: TextCodable {
  public static let expectedForm = "a MAC address of six bytes, such as 02:42:ac:11:00:02"

  /// The address as a number below 2⁴⁸; the first byte is the most significant one.
  public let value: UInt64

  /// Uses the low 48 bits.
  public init(value: UInt64) { self.value = value & 0xFFFF_FFFF_FFFF }

  /// Parses six bytes of two hexadecimal digits each, all separated by `:` or all by `-`.
  public init?(_ text: String) {
    let bytes = Array(text.utf8)
    let separator = bytes.contains(UInt8(ascii: "-")) ? UInt8(ascii: "-") : UInt8(ascii: ":")
    let parts = bytes.split(separator: separator, omittingEmptySubsequences: false)
    guard parts.count == 6 else { return nil }
    var number: UInt64 = 0
    for part in parts {
      guard let byte = parseHex(part, digits: 2...2) else { return nil }
      number = number << 8 | UInt64(byte)
    }
    value = number
  }

  /// `nil` unless there are six bytes.
  @inlinable public init?(bytes: some Collection<UInt8>) {
    guard bytes.count == 6 else { return nil }
    self.init(value: bytes.reduce(0) { $0 << 8 | UInt64($1) })
  }

  /// The six bytes in transmission order.
  public var bytes: [UInt8] {
    stride(from: 40, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> UInt64($0)) }
  }

  public var description: String {
    bytes.map { $0.hexDigits }.joined(separator: ":")
  }

  /// Whether the group bit of the first byte is set; no interface may have such an address.
  public var isMulticast: Bool { value >> 40 & 1 == 1 }
  public var isZero: Bool { value == 0 }

  /// A new locally administered unicast address.
  public static func random() -> MACAddress { MACAddress(locallyAdministered: .random(in: 0..<1 << 48)) }

  /// A random address for a bridge port on the host: `fe` and five random bytes.
  ///
  /// A bridge without an address of its own takes the lowest address of its ports; this one is higher than most others.
  public static func randomOfPort() -> MACAddress { MACAddress(value: 0xFE << 40 | .random(in: 0..<1 << 40)) }

  /// A locally administered unicast address from the low 48 bits; the two bits for that are overwritten.
  public init(locallyAdministered bits: UInt64) { self.init(value: bits & ~(1 << 40) | 1 << 41) }

  /// `02:42` followed by the IPv4 address, as on Docker's bridges.
  ///
  /// `nil` for an IPv6 address.
  public init?(derivedFrom address: IPAddress) {
    guard address.family == .v4 else { return nil }
    self.init(value: 0x0242 << 32 | UInt64(truncatingIfNeeded: address.value))
  }
}
