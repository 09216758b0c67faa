import NetTypes

/// The bytes of a C struct on the machines that Swift for Linux supports: numbers are little-endian.
struct Bytes {
  private(set) var all: [UInt8] = []

  mutating func put(_ value: some FixedWidthInteger) {
    for shift in stride(from: 0, to: value.bitWidth, by: 8) {
      all.append(UInt8(truncatingIfNeeded: value >> shift))
    }
  }

  /// Appends a port in network byte order.
  mutating func putPort(_ port: UInt16) { put(port.bigEndian) }

  mutating func put(_ bytes: some Sequence<UInt8>) { all += bytes }

  /// Appends a NUL-terminated text in `count` bytes; a longer text is truncated.
  mutating func put(_ text: String, in count: Int) {
    let bytes = text.utf8.prefix(count - 1)
    put(bytes)
    zeros(count - bytes.count)
  }

  mutating func zeros(_ count: Int) { all += repeatElement(0, count: count) }

  /// Pads to a multiple of 8 bytes, as `XT_ALIGN` does.
  mutating func align() { zeros(-all.count & 7) }

  /// Appends `union nf_inet_addr`; all zeros if the address is `nil`.
  mutating func putUnion(_ address: IPAddress?) {
    let bytes = address?.bytes ?? []
    put(bytes)
    zeros(16 - bytes.count)
  }
}

extension Array<UInt8> {
  /// The little-endian 16-bit number at `offset`.
  func number16(at offset: Int) -> Int { Int(self[offset]) | Int(self[offset + 1]) << 8 }

  /// The little-endian 32-bit number at `offset`.
  func number32(at offset: Int) -> UInt32 {
    UInt32(number16(at: offset)) | UInt32(number16(at: offset + 2)) << 16
  }

  /// The NUL-terminated text in the `count` bytes at `offset`.
  func text(at offset: Int, count: Int) -> String {
    String(decoding: self[offset..<offset + count].prefix { $0 != 0 }, as: UTF8.self)
  }
}
