import NetTypes
import Netfilter
import PacketFilter

/// A set without a name, which belongs to one rule: `{ 6, 17 }`.
struct AnonymousSet: Equatable {
  /// nft's number for the type of the key.
  var type: UInt32
  var keys: [[UInt8]]
  /// In a set of intervals: the index of the first key that ends one; every second key after it does so too.
  var firstEnd: Int?
  /// In a set of concatenated intervals: for each key, where its interval ends, and the length of each field.
  var ends: [[UInt8]] = []
  var fieldLengths: [UInt32] = []
  /// In a map: the value of each key, and its type.
  var values: [[UInt8]] = []
  var valueType: UInt32 = 0
  /// What nft notes about the key for printing: its byte order, and the expression that loads it.
  var userData: [UInt8]

  /// The kernel replaces `%d` by a number.
  var name: String { values.isEmpty ? "__set%d" : "__map%d" }

  private static let transportType: UInt32 = 12
  private static let etherTypeType: UInt32 = 10
  private static let icmpTypeType: UInt32 = 29

  static func transports(_ transports: [TransportProtocol]) -> AnonymousSet {
    AnonymousSet(
      type: transportType, keys: transports.map { [$0.number] },
      userData: SetUserData.key(.host) + SetUserData.loaded(meta: NftCode.transport))
  }

  static func etherTypes(_ types: [EtherType]) -> AnonymousSet {
    AnonymousSet(
      type: etherTypeType, keys: types.map { Field.port($0.number).bytes },
      userData: SetUserData.key(.network) + SetUserData.loaded(meta: NftCode.etherType))
  }

  static func links(_ direction: Direction, _ names: [String]) -> AnonymousSet {
    AnonymousSet(
      type: Field.Kind.interface.number, keys: names.map { Field.hash($0).bytes },
      userData: SetUserData.key(.host)
        + SetUserData.loaded(meta: direction == .incoming ? NftCode.inName : NftCode.outName))
  }

  static func icmpv6Types(_ types: [ICMPv6Type]) -> AnonymousSet {
    AnonymousSet(
      type: icmpTypeType, keys: types.map { [$0.number] },
      userData: SetUserData.key(.network) + SetUserData.loaded(header: 14, field: 1))
  }

  static let sourcesWithoutSubnet = AnonymousSet(
    type: Field.Kind.v6.number,
    keys: [(0, 0, 0), (0, 0, 1), (0xFE, 0x80, 0), (0xFE, 0xC0, 0)].map { first, second, last in
      [first, second] + [UInt8](repeating: 0, count: 13) + [last]
    },
    firstEnd: 1,
    userData: SetUserData.key(.network) + SetUserData.mergingElements + SetUserData.loaded(header: 13, field: 8))
}

extension AnonymousSet {
  /// The messages that add the set and its elements.
  func messages(_ table: Table, number: UInt32) -> [NftMessage] {
    var declaration = NftAttributes()
    declaration.put(.setTable, Table.bareName)
    declaration.put(.setName, name)
    declaration.put(.setFlags, flags)
    declaration.put(.setKeyType, type)
    declaration.put(.setKeyLength, UInt32(keys[0].count))
    if let value = values.first {
      declaration.put(.setDataType, valueType)
      declaration.put(.setDataLength, UInt32(value.count))
    }
    declaration.put(.setID, number)
    declaration.nest(.setDescription) {
      $0.put(.descriptionSize, UInt32(keys.count + (isOpen ? 1 : 0)))
      guard !ends.isEmpty else { return }
      $0.nest(.descriptionFields) {
        for length in fieldLengths { $0.nest(.listElement) { $0.put(.fieldLength, length) } }
      }
    }
    declaration.put(.setUserData, userData)
    let starts = Array(stride(from: 0, to: keys.count, by: Self.keysOfMessage))
    return [message(.newSet, table, declaration)]
      + starts.map { start in
        message(.newSetElements, table, elements(start..<min(start + Self.keysOfMessage, keys.count), number))
      }
  }

  /// `NFT_SET_ANONYMOUS`, `_CONSTANT`, and `_INTERVAL`, `_CONCAT` or `_MAP`.
  private var flags: UInt32 {
    if !values.isEmpty { return 0b1011 }
    return firstEnd != nil ? 0b111 : ends.isEmpty ? 0b011 : 0b1000_0111
  }

  /// The length of an attribute is a number of 16 bits, and an element of two IPv6 addresses with ports has 68 bytes.
  private static let keysOfMessage = 500

  private func message(_ kind: NftMessage.Kind, _ table: Table, _ attributes: NftAttributes) -> NftMessage {
    NftMessage(kind: kind, flags: NftMessage.Flags.create, family: table.netfilterNumber, attributes: attributes)
  }

  private func elements(_ indices: Range<Int>, _ number: UInt32) -> NftAttributes {
    var elements = NftAttributes()
    elements.put(.elementsTable, Table.bareName)
    elements.put(.elementsSet, name)
    elements.put(.elementsSetID, number)
    elements.nest(.elements) {
      for (position, index) in indices.enumerated() {
        $0.nest(NftAttribute(UInt16(position + 1))) { put(index, &$0) }
      }
    }
    return elements
  }

  private func put(_ index: Int, _ element: inout NftAttributes) {
    if endsInterval(index) { element.put(.elementFlags, UInt32(1)) }  // NFT_SET_ELEM_INTERVAL_END
    element.nest(.elementKey) { $0.put(.value, keys[index]) }
    if !values.isEmpty { element.nest(.elementData) { $0.put(.value, values[index]) } }
    if !ends.isEmpty { element.nest(.elementKeyEnd) { $0.put(.value, ends[index]) } }
    if isOpen, index == keys.count - 1 { element.put(.elementUserData, SetUserData.openInterval) }
  }

  private func endsInterval(_ index: Int) -> Bool { firstEnd.map { index % 2 == $0 } ?? false }

  /// Whether the last interval goes on to the last value, so that no key ends it.
  private var isOpen: Bool { firstEnd != nil && !endsInterval(keys.count - 1) }
}

/// What nft notes in a set's user data, so that it can print keys and values: entries of type, length and value.
enum SetUserData {
  enum ByteOrder: UInt32 {
    case none = 0
    case host = 1
    case network = 2
  }

  static func key(_ order: ByteOrder) -> [UInt8] { entry(0, order.rawValue) }
  static func value(_ order: ByteOrder) -> [UInt8] { entry(1, order.rawValue) }
  static let mergingElements = entry(2, 1)
  static let concatenatedKey = entry(3, concatenation([]))
  static let concatenatedValue = entry(4, concatenation([]))
  static let noIntervalsInValues = entry(6, 0)

  /// The key is loaded by `meta`.
  static func loaded(meta key: UInt32) -> [UInt8] { entry(3, entry(0, 9) + entry(1, entry(0, key))) }

  /// The key is a field of a header; both numbers are nft's own.
  static func loaded(header: UInt32, field: UInt32) -> [UInt8] { entry(3, loads(header, field)) }

  /// In the last element of a set: its interval has no end.
  static let openInterval = entry(1, 1)

  /// The key is a concatenation, whose first field is an address.
  static func concatenatedKey(_ header: UInt32, _ field: UInt32) -> [UInt8] {
    entry(3, concatenation(entry(0, loads(header, field))))
  }

  private static func loads(_ header: UInt32, _ field: UInt32) -> [UInt8] {
    entry(0, 7) + entry(1, entry(0, header) + entry(1, field))
  }

  private static func concatenation(_ fields: [UInt8]) -> [UInt8] { entry(0, 13) + entry(1, fields) }

  private static func entry(_ type: UInt8, _ value: UInt32) -> [UInt8] { entry(type, number(value)) }

  private static func entry(_ type: UInt8, _ value: [UInt8]) -> [UInt8] { [type, UInt8(value.count)] + value }
}
