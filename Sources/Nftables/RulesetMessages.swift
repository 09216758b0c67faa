import CNftables
import Netfilter

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
  /// Whether it ends an interval.
  var isEnd = false

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

/// Requests to nf_tables about our tables, and their answers (linux/netfilter/nf_tables.h).
enum RulesetMessages {
  static func chain(_ name: String, _ table: Table) -> NftMessage {
    message(.getChain, table) { $0.put(.chainName, name) }
  }

  static func chains(_ table: Table) -> NftMessage {
    NftMessage(kind: .getChain, flags: NftMessage.Flags.dump, family: table.netfilterNumber)
  }

  static func rules(of chain: String, _ table: Table) -> NftMessage {
    message(.getRule, table, isDump: true) { $0.put(.ruleChain, chain) }
  }

  static func element(_ key: [UInt8], of set: SetSpec) -> NftMessage {
    message(.getSetElements, set.table) {
      $0.put(.elementsSet, set.name)
      $0.nest(.elements) { $0.nest(.listElement) { $0.nest(.elementKey) { $0.put(.value, key) } } }
    }
  }

  static func elements(of set: SetSpec) -> NftMessage {
    message(.getSetElements, set.table, isDump: true) { $0.put(.elementsSet, set.name) }
  }

  private static func message(
    _ kind: NftMessage.Kind, _ table: Table, isDump: Bool = false, _ fill: (inout NftAttributes) -> Void
  ) -> NftMessage {
    var attributes = NftAttributes()
    attributes.put(.tableName, Table.bareName)
    fill(&attributes)
    let flags = isDump ? NftMessage.Flags.dump : NftMessage.Flags.acknowledge
    return NftMessage(kind: kind, flags: flags, family: table.netfilterNumber, attributes: attributes)
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
    result.isEnd = parts[NFTA_SET_ELEM_FLAGS.rawValue].map { $0.last == 1 } ?? false
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
    list.reduce(into: [:]) { $0[$1.type] = $1.value }
  }

  static func split(_ bytes: ArraySlice<UInt8>) -> [(type: UInt32, value: ArraySlice<UInt8>)] {
    NftAnswer.list(bytes).map { (UInt32($0.number), $1) }
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
