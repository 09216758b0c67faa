/// FNV-1a with 64 bits: a hash that is the same in every process.
///
/// Names of files, links and chains and MAC addresses are derived from it, so its values must not change.
public struct FNV1a: Sendable {
  /// The hash of the bytes so far; use `mixed` if its high bits matter.
  public var value: UInt64

  @inlinable public init() { value = 0xCBF2_9CE4_8422_2325 }

  @inlinable public init(_ bytes: some Sequence<UInt8>) {
    self.init()
    for byte in bytes { add(byte) }
  }

  /// The hash of the text's UTF-8 bytes.
  @inlinable public init(_ text: String) { self.init(text.utf8) }

  @inlinable public mutating func add(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }

  /// The value, mixed so that any of its bits can be used.
  public var mixed: UInt64 { value.mixed }

  /// FNV-1a with 32 bits.
  public static func hash32(_ text: String) -> UInt32 {
    text.utf8.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
  }
}

extension UInt64 {
  /// Each bit depends on every bit of the number (the last step of MurmurHash3).
  public var mixed: UInt64 {
    let value = mixedOnce &* 0xC4CE_B9FE_1A85_EC53
    return value ^ value >> 33
  }

  /// The first half of `mixed`: only the low bits can be used.
  public var mixedOnce: UInt64 {
    let value = (self ^ self >> 33) &* 0xFF51_AFD7_ED55_8CCD
    return value ^ value >> 33
  }
}

extension FixedWidthInteger where Self: UnsignedInteger {
  /// All digits of the number in hexadecimal, in lower case: two for each byte.
  public var hexDigits: String {
    let digits = String(self, radix: 16)
    return String(repeating: "0", count: Self.bitWidth / 4 - digits.count) + digits
  }
}
