/// An address and its prefix length: `10.1.2.3/24`.
///
/// Host bits are kept as written; `network` has them cleared.
public struct IPPrefix: TextCodable {
  public static let expectedForm = "an address with a prefix length, such as 10.1.2.3/24 or fd00::1/64"

  public let address: IPAddress
  /// The prefix length, 0 to 32 or 128.
  public let length: Int

  /// `nil` if the length is out of the family's range.
  public init?(_ address: IPAddress, length: Int) {
    guard (0...address.family.bitWidth).contains(length) else { return nil }
    self.address = address
    self.length = length
  }

  /// The prefix of one address: /32 or /128.
  public init(host address: IPAddress) {
    self.address = address
    length = address.family.bitWidth
  }

  /// `nil` unless the range is that of a prefix.
  public init?(_ range: ClosedRange<IPAddress>) {
    let (first, last) = (range.lowerBound, range.upperBound)
    let length = first.family.bitWidth - (UInt128.bitWidth - (first.value ^ last.value).leadingZeroBitCount)
    self.init(first, length: length)
    guard self.first == first, self.last == last else { return nil }
  }

  public init?(_ text: String) {
    guard let slash = text.lastIndex(of: "/"), let address = IPAddress(String(text[..<slash])) else { return nil }
    let digits = Array(text[text.index(after: slash)...].utf8)
    guard let length = parseDecimal(digits[...]) else { return nil }
    self.init(address, length: length)
  }

  public var description: String { "\(address)/\(length)" }
  public var family: IPFamily { address.family }

  /// The number of host bits.
  public var hostBits: Int { family.bitWidth - length }

  private var hostMask: UInt128 { hostBits == 128 ? .max : (1 << UInt128(hostBits)) - 1 }

  /// The same network with host bits cleared.
  public var network: IPPrefix { IPPrefix(first, length: length) ?? self }

  /// The lowest address, which is the network's own.
  public var first: IPAddress { IPAddress(family, address.value & ~hostMask) ?? address }

  /// The highest address.
  public var last: IPAddress { IPAddress(family, address.value | hostMask) ?? address }

  /// The broadcast address; `nil` for IPv6, /31 (RFC 3021) and /32, which have none.
  public var broadcast: IPAddress? { family == .v4 && hostBits > 1 ? last : nil }

  public func contains(_ other: IPAddress) -> Bool {
    other.family == family && (first...last).contains(other)
  }

  public func overlaps(_ other: IPPrefix) -> Bool {
    contains(other.first) || other.contains(first)
  }

  /// The prefix of all addresses: 0.0.0.0/0 or ::/0.
  public static func everything(_ family: IPFamily) -> IPPrefix {
    IPPrefix(family == .v4 ? IPAddress(v4: 0) : IPAddress(v6: 0), length: 0) ?? IPPrefix(host: IPAddress(v4: 0))
  }
}
