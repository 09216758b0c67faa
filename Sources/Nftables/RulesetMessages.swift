import CNftables

/// A chain as the kernel lists it.
struct ListedChain: Equatable {
  var name: String
  /// The kernel's use count: the chain's rules, and the rules and elements that lead to it.
  var uses: Int
}

/// A rule as the kernel lists it.
struct ListedRule: Equatable {
  var handle: UInt64
  /// Empty if the rule has no comment.
  var comment: String
}

/// An element as the kernel lists it.
struct ListedElement: Equatable {
  var key: [UInt8]
  var value: Value = .none
  /// Empty if the element has no comment.
  var comment = ""

  enum Value: Equatable {
    case none
    case bytes([UInt8])
    case jump(String)
  }

  /// Whether key and value are those of the element as it was added; the comment may differ.
  func matches(_ element: Element) -> Bool {
    guard key == element.key.bytes else { return false }
    return switch element.value {
    case .none: value == .none
    case .jump(let chain): value == .jump(chain)
    case .fields(let fields): value == .bytes(fields.bytes)
    }
  }
}

/// Requests to nf_tables and their answers, as bytes (linux/netfilter/nf_tables.h).
///
/// libnftables can list too, but it first reads every element of every set, whatever the request.
enum RulesetMessages {
  static let headerSize = 16
  /// `NFPROTO_INET` and `NFPROTO_BRIDGE`; their header conflicts with Glibc's headers.
  private static let inet: UInt8 = 1
  private static let bridge: UInt8 = 7
  static let subsystem = UInt16(NFNL_SUBSYS_NFTABLES) << 8

  static func chain(_ name: String, _ table: Table) -> [UInt8] {
    message(NFT_MSG_GETCHAIN, table, text(NFTA_CHAIN_TABLE, Table.bareName) + text(NFTA_CHAIN_NAME, name))
  }

  static func chains(_ table: Table) -> [UInt8] { message(NFT_MSG_GETCHAIN, table, isDump: true, []) }

  static func rules(of chain: String, _ table: Table) -> [UInt8] {
    message(
      NFT_MSG_GETRULE, table, isDump: true,
      text(NFTA_RULE_TABLE, Table.bareName) + text(NFTA_RULE_CHAIN, chain))
  }

  static func element(_ key: [UInt8], of set: SetSpec) -> [UInt8] {
    let key = attribute(NFTA_SET_ELEM_KEY, nested: attribute(NFTA_DATA_VALUE, key))
    let list = attribute(NFTA_SET_ELEM_LIST_ELEMENTS, nested: attribute(NFTA_LIST_ELEM, nested: key))
    return message(NFT_MSG_GETSETELEM, set.table, attributesNaming(set) + list)
  }

  static func elements(of set: SetSpec) -> [UInt8] {
    message(NFT_MSG_GETSETELEM, set.table, isDump: true, attributesNaming(set))
  }

  private static func attributesNaming(_ set: SetSpec) -> [UInt8] {
    text(NFTA_SET_ELEM_LIST_TABLE, Table.bareName) + text(NFTA_SET_ELEM_LIST_SET, set.name)
  }

  private static func message(
    _ type: nf_tables_msg_types, _ table: Table, isDump: Bool = false, _ attributes: [UInt8]
  ) -> [UInt8] {
    let family = table == .inet ? inet : bridge
    let body = [family, UInt8(NFNETLINK_V0), 0, 0] + attributes
    let flags = UInt16(NLM_F_REQUEST) | (isDump ? UInt16(NLM_F_DUMP) : UInt16(NLM_F_ACK))
    return number(UInt32(headerSize + body.count)) + number(subsystem | UInt16(type.rawValue)) + number(flags)
      + number(UInt32(1)) + number(UInt32(0)) + body
  }

  static func text<Kind: RawRepresentable<UInt32>>(_ type: Kind, _ value: String) -> [UInt8] {
    attribute(type, Array(value.utf8) + [0])
  }

  static func attribute<Kind: RawRepresentable<UInt32>>(_ type: Kind, nested value: [UInt8]) -> [UInt8] {
    attribute(type: UInt16(type.rawValue) | 1 << 15, value)
  }

  static func attribute<Kind: RawRepresentable<UInt32>>(_ type: Kind, _ value: [UInt8]) -> [UInt8] {
    attribute(type: UInt16(type.rawValue), value)
  }

  private static func attribute(type: UInt16, _ value: [UInt8]) -> [UInt8] {
    number(UInt16(4 + value.count)) + number(type) + value
      + [UInt8](repeating: 0, count: (4 - value.count % 4) % 4)
  }
}

extension RulesetMessages {
  static func listedChain(_ answer: ArraySlice<UInt8>) -> ListedChain? {
    let attributes = attributes(answer)
    guard let name = attributes[NFTA_CHAIN_NAME.rawValue],
      attributes[NFTA_CHAIN_TABLE.rawValue].map(string) == Table.bareName
    else { return nil }
    let uses = attributes[NFTA_CHAIN_USE.rawValue]?.reduce(0) { $0 << 8 | Int($1) }
    return ListedChain(name: string(name), uses: uses ?? 0)
  }

  static func listedRule(_ answer: ArraySlice<UInt8>) -> ListedRule {
    let attributes = attributes(answer)
    let handle = attributes[NFTA_RULE_HANDLE.rawValue]?.reduce(0) { $0 << 8 | UInt64($1) }
    return ListedRule(handle: handle ?? 0, comment: attributes[NFTA_RULE_USERDATA.rawValue].map(comment) ?? "")
  }

  static func listedElements(_ answer: ArraySlice<UInt8>) -> [ListedElement] {
    guard let list = attributes(answer)[NFTA_SET_ELEM_LIST_ELEMENTS.rawValue] else { return [] }
    return split(list).compactMap { element($0.value) }
  }

  private static func element(_ bytes: ArraySlice<UInt8>) -> ListedElement? {
    let parts = dictionary(split(bytes))
    guard let key = parts[NFTA_SET_ELEM_KEY.rawValue].map({ dictionary(split($0)) })?[NFTA_DATA_VALUE.rawValue] else {
      return nil
    }
    var result = ListedElement(key: Array(key))
    if let data = parts[NFTA_SET_ELEM_DATA.rawValue].map({ dictionary(split($0)) }) {
      if let value = data[NFTA_DATA_VALUE.rawValue] { result.value = .bytes(Array(value)) }
      if let verdict = data[NFTA_DATA_VERDICT.rawValue].map({ dictionary(split($0)) }) {
        result.value = .jump(verdict[NFTA_VERDICT_CHAIN.rawValue].map(string) ?? "")
      }
    }
    result.comment = parts[NFTA_SET_ELEM_USERDATA.rawValue].map(comment) ?? ""
    return result
  }

  /// The comment in libnftnl's list of type, length and value: the entry with type 0.
  static func comment(_ bytes: ArraySlice<UInt8>) -> String {
    var rest = bytes
    while rest.count >= 2 {
      let type = rest[rest.startIndex]
      let length = Int(rest[rest.startIndex + 1])
      if type == 0 { return string(rest.dropFirst(2).prefix(length)) }
      rest = rest.dropFirst(2 + length)
    }
    return ""
  }

  static func attributes(_ answer: ArraySlice<UInt8>) -> [UInt32: ArraySlice<UInt8>] {
    dictionary(split(answer.dropFirst(4)))
  }

  static func dictionary(_ list: [(type: UInt32, value: ArraySlice<UInt8>)]) -> [UInt32: ArraySlice<UInt8>] {
    Dictionary(list.map { ($0.type, $0.value) }) { _, last in last }
  }

  static func split(_ bytes: ArraySlice<UInt8>) -> [(type: UInt32, value: ArraySlice<UInt8>)] {
    var result: [(type: UInt32, value: ArraySlice<UInt8>)] = []
    var rest = bytes
    while rest.count >= 4 {
      let length = Int(integer(rest, 0, 2))
      guard length >= 4, length <= rest.count else { break }
      result.append((UInt32(integer(rest, 2, 2) & 0x3FFF), rest.prefix(length).dropFirst(4)))
      rest = rest.dropFirst((length + 3) & ~3)
    }
    return result
  }

  static func string(_ bytes: ArraySlice<UInt8>) -> String {
    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}

/// A number of `count` bytes in the byte order of little-endian hosts, which are the only supported ones.
func integer(_ bytes: ArraySlice<UInt8>, _ offset: Int, _ count: Int) -> UInt64 {
  bytes.dropFirst(offset).prefix(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
}

func number<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
  (0..<MemoryLayout<Value>.size).map { UInt8(truncatingIfNeeded: value >> Value(8 * $0)) }
}
