/// The attributes of an answer, by their type.
public struct NftAnswer: Sendable {
  private var values: [NftAttribute: ArraySlice<UInt8>] = [:]
  /// `NFPROTO_*`; 0 within a message.
  public let family: UInt8

  public init(_ bytes: ArraySlice<UInt8>, family: UInt8 = 0) {
    self.family = family
    for (type, value) in Self.list(bytes) { values[type] = value }
  }

  public subscript(_ type: NftAttribute) -> ArraySlice<UInt8>? { values[type] }

  public func text(_ type: NftAttribute) -> String? {
    values[type].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  public func number(_ type: NftAttribute) -> UInt64? { values[type].map { $0.reduce(0) { $0 << 8 | UInt64($1) } } }

  public func nested(_ type: NftAttribute) -> NftAnswer? { values[type].map { NftAnswer($0) } }

  /// Whether the bytes have an attribute of that type; far faster than to take them apart.
  public static func has(_ type: NftAttribute, in bytes: ArraySlice<UInt8>) -> Bool {
    var start = bytes.startIndex
    while start + 4 <= bytes.endIndex {
      let length = Int(bytes[start]) | Int(bytes[start + 1]) << 8
      if (UInt16(bytes[start + 2]) | UInt16(bytes[start + 3]) << 8) & 0x3FFF == type.number { return true }
      guard length >= 4 else { return false }
      start += (length + 3) & ~3
    }
    return false
  }

  public static func list(_ bytes: ArraySlice<UInt8>) -> [(NftAttribute, ArraySlice<UInt8>)] {
    var result: [(NftAttribute, ArraySlice<UInt8>)] = []
    var rest = bytes
    while rest.count >= 4 {
      let start = rest.startIndex
      let length = Int(rest[start]) | Int(rest[start + 1]) << 8
      guard length >= 4, length <= rest.count else { break }
      let type = UInt16(rest[start + 2]) | UInt16(rest[start + 3]) << 8
      result.append((NftAttribute(type & 0x3FFF), rest.prefix(length).dropFirst(4)))
      rest = rest.dropFirst((length + 3) & ~3)
    }
    return result
  }
}
