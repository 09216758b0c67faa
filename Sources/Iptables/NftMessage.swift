import NetTypes

/// Messages to nf_tables and their attributes, as bytes (linux/netfilter/nf_tables.h, nfnetlink.h).
///
/// Attributes are identified by their number; numbers are in network byte order.
struct NftMessage: Sendable {
  enum Kind: UInt16, Sendable {
    case newTable, getTable, deleteTable, newChain, getChain, deleteChain, newRule, getRule, deleteRule
    case getSetElements = 13
    case getGeneration = 16
  }

  enum Flags {
    static let request: UInt16 = 1
    static let acknowledge: UInt16 = 4
    static let dump: UInt16 = 0x300
    static let create: UInt16 = 0x400
    static let append: UInt16 = 0x800
  }

  var kind: Kind
  var flags: UInt16
  var family: IPFamily
  var attributes: NftAttributes
  /// Sent in place of `family`: 0 for all families, 1 for `inet`.
  var familyNumber: UInt8?

  static let headerSize = 16
  private static let subsystem: UInt16 = 10

  func bytes(_ sequence: UInt32) -> [UInt8] {
    Self.frame(
      Self.subsystem << 8 | kind.rawValue, Flags.request | flags, sequence,
      [familyNumber ?? family.netfilterNumber, 0, 0, 0],
      attributes.all)
  }

  /// `NFNL_MSG_BATCH_BEGIN`; the kernel rejects the batch if the ruleset has changed since that generation.
  static func begin(_ generation: UInt32) -> [UInt8] {
    var attributes = NftAttributes()
    attributes.put(1, generation)
    return frame(16, Flags.request, 0, [0, 0, 0, UInt8(subsystem)], attributes.all)
  }

  static let end = frame(17, Flags.request, 0, [0, 0, 0, UInt8(subsystem)], [])

  private static func frame(
    _ type: UInt16, _ flags: UInt16, _ sequence: UInt32, _ header: [UInt8], _ body: [UInt8]
  ) -> [UInt8] {
    var all = Bytes()
    all.put(UInt32(headerSize + header.count + body.count))
    all.put(type)
    all.put(flags)
    all.put(sequence)
    all.put(UInt32(0))
    all.put(header)
    all.put(body)
    return all.all
  }
}

extension IPFamily {
  /// The family's number: `NFPROTO_IPV4` or `NFPROTO_IPV6`.
  fileprivate var netfilterNumber: UInt8 { self == .v4 ? 2 : 10 }
}

/// Builds the attributes of a message.
struct NftAttributes: Sendable {
  private(set) var all: [UInt8] = []

  mutating func put(_ type: UInt16, _ value: [UInt8]) {
    var head = Bytes()
    head.put(UInt16(4 + value.count))
    head.put(type)
    all += head.all + value + [UInt8](repeating: 0, count: -value.count & 3)
  }

  mutating func put(_ type: UInt16, _ text: String) { put(type, Array(text.utf8) + [0]) }

  mutating func put(_ type: UInt16, _ number: UInt32) {
    var bytes = Bytes()
    bytes.put(number.bigEndian)
    put(type, bytes.all)
  }

  mutating func put(_ type: UInt16, handle: UInt64) {
    var bytes = Bytes()
    bytes.put(handle.bigEndian)
    put(type, bytes.all)
  }

  mutating func append(_ bytes: [UInt8]) { all += bytes }

  mutating func nest(_ type: UInt16, _ fill: (inout NftAttributes) -> Void) {
    var inner = NftAttributes()
    fill(&inner)
    put(type | 1 << 15, inner.all)
  }
}

/// The attributes of an answer, by their number.
struct NftAnswer {
  private var values: [UInt16: ArraySlice<UInt8>] = [:]
  /// `NFPROTO_*`; 0 within a message.
  let family: UInt8

  init(_ bytes: ArraySlice<UInt8>, family: UInt8 = 0) {
    self.family = family
    for (type, value) in Self.list(bytes) { values[type] = value }
  }

  subscript(_ type: UInt16) -> ArraySlice<UInt8>? { values[type] }

  func text(_ type: UInt16) -> String? {
    values[type].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  func number(_ type: UInt16) -> UInt64? { values[type].map { $0.reduce(0) { $0 << 8 | UInt64($1) } } }

  func nested(_ type: UInt16) -> NftAnswer? { values[type].map { NftAnswer($0) } }

  static func list(_ bytes: ArraySlice<UInt8>) -> [(UInt16, ArraySlice<UInt8>)] {
    var result: [(UInt16, ArraySlice<UInt8>)] = []
    var rest = bytes
    while rest.count >= 4 {
      let head = Array(rest.prefix(4))
      let length = head.number16(at: 0)
      guard length >= 4, length <= rest.count else { break }
      result.append((UInt16(head.number16(at: 2) & 0x3FFF), rest.prefix(length).dropFirst(4)))
      rest = rest.dropFirst((length + 3) & ~3)
    }
    return result
  }
}
