import NetTypes
import Netfilter
import PacketFilter

/// A set without a name, which belongs to one rule: `{ 6, 17 }`.
struct AnonymousSet: Equatable {
  /// nft's number for the type of the key.
  var type: UInt32
  var keys: [[UInt8]]
  /// Whether every second key ends an interval that the one before it begins.
  var isInterval = false
  /// In a set of concatenated intervals: for each key, where its interval ends, and the length of each field.
  var ends: [[UInt8]] = []
  var fieldLengths: [UInt32] = []
  /// What nft notes about the key for printing: its byte order, and the expression that loads it.
  var userData: [UInt8]

  /// The kernel replaces `%d` by a number.
  static let name = "__set%d"

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

  /// Ports with their protocols; with ranges, a set of intervals, which is slower.
  static func ports(_ spans: [PortSpan]) -> AnonymousSet {
    let keys = { (bound: (PortSpan) -> UInt16) in
      spans.map { span in
        ([Field.transport(span.transport ?? .tcp), .port(bound(span))] as [Field]).bytes
      }
    }
    let kinds = [Field.Kind.transport, .port]
    var set = AnonymousSet(
      type: kinds.number, keys: keys { $0.ports.lowerBound }, userData: SetUserData.key(.none))
    if !spans.allSatisfy({ $0.ports.count == 1 }) {
      set.ends = keys { $0.ports.upperBound }
      set.fieldLengths = kinds.map { UInt32($0.byteCount) }
      set.userData += SetUserData.mergingElements
    }
    set.userData += SetUserData.concatenatedKey
    return set
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
    isInterval: true,
    userData: SetUserData.key(.network) + SetUserData.mergingElements + SetUserData.loaded(header: 13, field: 8))
}

extension AnonymousSet {
  /// The messages that add the set and its elements.
  func messages(_ table: Table, number: UInt32) -> [NftMessage] {
    var declaration = NftAttributes()
    declaration.put(.setTable, Table.bareName)
    declaration.put(.setName, Self.name)
    // NFT_SET_ANONYMOUS, _CONSTANT, _INTERVAL, _CONCAT
    declaration.put(.setFlags, UInt32(isInterval ? 0b111 : ends.isEmpty ? 0b011 : 0b1000_0111))
    declaration.put(.setKeyType, type)
    declaration.put(.setKeyLength, UInt32(keys[0].count))
    declaration.put(.setID, number)
    declaration.nest(.setDescription) {
      $0.put(.descriptionSize, UInt32(keys.count))
      guard !ends.isEmpty else { return }
      $0.nest(.descriptionFields) {
        for length in fieldLengths { $0.nest(.listElement) { $0.put(.fieldLength, length) } }
      }
    }
    declaration.put(.setUserData, userData)
    var elements = NftAttributes()
    elements.put(.elementsTable, Table.bareName)
    elements.put(.elementsSet, Self.name)
    elements.put(.elementsSetID, number)
    elements.nest(.elements) {
      for (index, key) in keys.enumerated() {
        $0.nest(NftAttribute(UInt16(index + 1))) {
          if isInterval, index % 2 == 1 { $0.put(.elementFlags, UInt32(1)) }  // NFT_SET_ELEM_INTERVAL_END
          $0.nest(.elementKey) { $0.put(.value, key) }
          if !ends.isEmpty { $0.nest(.elementKeyEnd) { $0.put(.value, ends[index]) } }
        }
      }
    }
    return [(.newSet, declaration), (.newSetElements, elements)].map {
      NftMessage(kind: $0, flags: NftMessage.Flags.create, family: table.netfilterNumber, attributes: $1)
    }
  }
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
  static let concatenatedKey = entry(3, concatenation)
  static let concatenatedValue = entry(4, concatenation)
  static let noIntervalsInValues = entry(6, 0)

  /// The key is loaded by `meta`.
  static func loaded(meta key: UInt32) -> [UInt8] { entry(3, entry(0, 9) + entry(1, entry(0, key))) }

  /// The key is a field of a header; both numbers are nft's own.
  static func loaded(header: UInt32, field: UInt32) -> [UInt8] {
    entry(3, entry(0, 7) + entry(1, entry(0, header) + entry(1, field)))
  }

  private static let concatenation = entry(0, 13) + entry(1, [])

  private static func entry(_ type: UInt8, _ value: UInt32) -> [UInt8] { entry(type, number(value)) }

  private static func entry(_ type: UInt8, _ value: [UInt8]) -> [UInt8] { [type, UInt8(value.count)] + value }
}
