/// Builds the attributes of a message.
public struct NftAttributes: Equatable, Sendable {
  public private(set) var all: [UInt8] = []

  public init() {}

  public mutating func put(_ type: UInt16, _ value: [UInt8]) {
    all.append(hostOrder: UInt16(4 + value.count))
    all.append(hostOrder: type)
    all += value
    all += repeatElement(0, count: -value.count & 3)
  }

  public mutating func put(_ type: UInt16, _ text: String) { put(type, Array(text.utf8) + [0]) }

  public mutating func put(_ type: UInt16, _ number: UInt32) {
    var bytes: [UInt8] = []
    bytes.append(hostOrder: number.bigEndian)
    put(type, bytes)
  }

  public mutating func put(_ type: UInt16, handle: UInt64) {
    var bytes: [UInt8] = []
    bytes.append(hostOrder: handle.bigEndian)
    put(type, bytes)
  }

  public mutating func append(_ bytes: [UInt8]) { all += bytes }

  public mutating func nest(_ type: UInt16, _ fill: (inout NftAttributes) -> Void) {
    var inner = NftAttributes()
    fill(&inner)
    put(type | 1 << 15, inner.all)
  }
}

extension [UInt8] {
  /// Appends the bytes of a number in the byte order of little-endian hosts, which are the only supported ones.
  public mutating func append(hostOrder value: some FixedWidthInteger) {
    for shift in stride(from: 0, to: value.bitWidth, by: 8) {
      append(UInt8(truncatingIfNeeded: value >> shift))
    }
  }
}
