/// Builds the attributes of a message.
public struct NftAttributes: Equatable, Sendable {
  public private(set) var all: [UInt8] = []

  public init() { all.reserveCapacity(256) }

  public mutating func put(_ type: NftAttribute, _ value: [UInt8]) {
    putHeader(type, valueSize: value.count)
    all += value
    pad()
  }

  public mutating func put(_ type: NftAttribute, _ text: String) {
    putHeader(type, valueSize: text.utf8.count + 1)
    all += text.utf8
    all.append(0)
    pad()
  }

  public mutating func put(_ type: NftAttribute, _ number: UInt32) {
    putHeader(type, valueSize: 4)
    all.append(hostOrder: number.bigEndian)
  }

  public mutating func put(_ type: NftAttribute, handle: UInt64) {
    putHeader(type, valueSize: 8)
    all.append(hostOrder: handle.bigEndian)
  }

  public mutating func append(_ bytes: [UInt8]) { all += bytes }

  public mutating func nest(_ type: NftAttribute, _ attributes: NftAttributes) {
    nest(type) { $0.append(attributes.all) }
  }

  public mutating func nest(_ type: NftAttribute, _ fill: (inout NftAttributes) -> Void) {
    let start = all.count
    putHeader(type, valueSize: 0, flags: Self.isNested)
    fill(&self)
    let size = UInt16(all.count - start)
    all[start] = UInt8(truncatingIfNeeded: size)
    all[start + 1] = UInt8(truncatingIfNeeded: size >> 8)
  }

  /// `flags` are the two high bits of the type.
  private mutating func putHeader(_ type: NftAttribute, valueSize: Int, flags: UInt16 = 0) {
    all.append(hostOrder: UInt16(4 + valueSize))
    all.append(hostOrder: type.number | flags)
  }

  /// `NLA_F_NESTED`.
  private static let isNested: UInt16 = 1 << 15

  private mutating func pad() {
    while all.count & 3 != 0 { all.append(0) }
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
