import NetTypes
import Netfilter

/// One change of our tables; several of them are carried out as one transaction.
enum RulesetChange: Equatable {
  case addTable(Table)
  case deleteTable(Table)
  case addSet(SetSpec)
  /// Fails if a rule looks up the set, or if it has elements and is not the set of a chain.
  case deleteSet(SetSpec)
  /// Deletes all elements of the set.
  case flushSet(SetSpec)
  case addChain(Table, String, Layout.Hook? = nil)
  /// Deletes all rules of the chain.
  case flushChain(Table, String)
  /// Fails if an element or a rule leads to the chain.
  case deleteChain(Table, String)
  case addRule(Table, String, NftRule)
  case deleteRule(Table, String, handle: UInt64)
  /// Fails if there is an element with that key.
  case createElement(Element)
  /// Fails if there is a different element with that key.
  case addElement(Element)
  /// Fails if there is no element with that key.
  case deleteElement(Element)

  /// The change as a command of `nft`.
  var text: String {
    switch self {
    case .addTable(let table): "add table \(table.name)"
    case .deleteTable(let table): "delete table \(table.name)"
    case .addSet(let set): set.declaration
    case .deleteSet(let set): "delete \(set.kind) \(set.qualifiedName)"
    case .flushSet(let set): "flush set \(set.qualifiedName)"
    case .addChain(let table, let chain, let hook):
      "add chain \(table.name) \(chain)" + (hook.map { " \($0.text)" } ?? "")
    case .flushChain(let table, let chain): "flush chain \(table.name) \(chain)"
    case .deleteChain(let table, let chain): "delete chain \(table.name) \(chain)"
    case .addRule(let table, let chain, let rule): "add rule \(table.name) \(chain) \(rule.text)"
    case .deleteRule(let table, let chain, let handle): "delete rule \(table.name) \(chain) handle \(handle)"
    case .createElement(let element): "create element \(element.set.qualifiedName) { \(element.text) }"
    case .addElement(let element): "add element \(element.set.qualifiedName) { \(element.text) }"
    case .deleteElement(let element): "delete element \(element.set.qualifiedName) { \(element.key.text) }"
    }
  }

  /// Whether only libnftables can carry out the change.
  var needsLibrary: Bool { if case .addRule(_, _, let rule) = self { rule.needsLibrary } else { false } }

  /// Whether the kernel frees something after the change, for which closing the socket waits.
  var isDeletion: Bool {
    switch self {
    case .deleteTable, .deleteSet, .flushSet, .deleteChain, .deleteRule, .deleteElement: true
    case .addTable, .addSet, .addChain, .flushChain, .addRule, .createElement, .addElement: false
    }
  }
}

/// The messages of one transaction, and which change each of them is for.
struct ChangeMessages {
  private(set) var messages: [NftMessage] = []
  /// For each message, the index of its change.
  private(set) var changes: [Int] = []
  /// The kernel finds a new set by such a number in the batch.
  private var lastSetNumber: UInt32 = 0

  init(_ changes: [RulesetChange]) {
    for (index, change) in changes.enumerated() {
      put(change)
      self.changes += repeatElement(index, count: messages.count - self.changes.count)
    }
  }

  private mutating func put(_ change: RulesetChange) {
    let create = NftMessage.Flags.create
    switch change {
    case .addTable(let table): put(.newTable, 0, table) { $0.put(.tableFlags, UInt32(0)) }
    case .deleteTable(let table): put(.deleteTable, 0, table) { _ in }
    case .addSet(let set):
      lastSetNumber += 1
      put(.newSet, create, set.table) { [lastSetNumber] in set.put(&$0, number: lastSetNumber) }
    case .deleteSet(let set):
      put(.deleteSet, set.isOfChain ? 0 : NftMessage.Flags.nonRecursive, set.table) { $0.put(.setName, set.name) }
    case .flushSet(let set): put(.deleteSetElements, 0, set.table) { $0.put(.elementsSet, set.name) }
    case .addChain(let table, let chain, let hook):
      put(.newChain, create, table) {
        $0.put(.chainName, chain)
        hook?.put(&$0)
      }
    case .flushChain(let table, let chain): put(.deleteRule, 0, table) { $0.put(.ruleChain, chain) }
    case .deleteChain(let table, let chain): put(.deleteChain, 0, table) { $0.put(.chainName, chain) }
    case .addRule(let table, let chain, let rule): put(rule, table, chain)
    case .deleteRule(let table, let chain, let handle):
      put(.deleteRule, 0, table) {
        $0.put(.ruleChain, chain)
        $0.put(.ruleHandle, handle: handle)
      }
    case .createElement(let element): put(.newSetElements, create | NftMessage.Flags.exclusive, element, isWhole: true)
    case .addElement(let element): put(.newSetElements, create, element, isWhole: true)
    case .deleteElement(let element): put(.deleteSetElements, 0, element, isWhole: false)
    }
  }

  private mutating func put(
    _ kind: NftMessage.Kind, _ flags: UInt16, _ table: Table, _ fill: (inout NftAttributes) -> Void
  ) {
    var attributes = NftAttributes()
    attributes.put(.tableName, Table.bareName)
    fill(&attributes)
    messages.append(NftMessage(kind: kind, flags: flags, family: table.netfilterNumber, attributes: attributes))
  }

  private mutating func put(_ rule: NftRule, _ table: Table, _ chain: String) {
    let encoder = RuleEncoder(rule, in: table, firstSetNumber: lastSetNumber + 1)
    for set in encoder.sets {
      lastSetNumber += 1
      messages += set.messages(table, number: lastSetNumber)
    }
    put(.newRule, NftMessage.Flags.create | NftMessage.Flags.append, table) {
      $0.put(.ruleChain, chain)
      $0.nest(.ruleExpressions, encoder.expressions.attributes)
      if let comment = encoder.comment { $0.put(.ruleUserData, commentData(comment)) }
    }
  }

  private mutating func put(_ kind: NftMessage.Kind, _ flags: UInt16, _ element: Element, isWhole: Bool) {
    put(kind, flags, element.set.table) {
      $0.put(.elementsSet, element.set.name)
      $0.nest(.elements) {
        $0.nest(.listElement) { element.put(&$0, isWhole: isWhole) }
        guard let end = element.key.endOfInterval else { return }
        $0.nest(.listElement) {
          $0.put(.elementFlags, UInt32(1))  // NFT_SET_ELEM_INTERVAL_END
          $0.nest(.elementKey) { $0.put(.value, end) }
        }
      }
    }
  }
}

extension Layout.Hook {
  fileprivate func put(_ attributes: inout NftAttributes) {
    attributes.put(.chainType, kind.rawValue)
    attributes.nest(.chainHook) {
      $0.put(.hookNumber, point.number)
      $0.put(.hookPriority, UInt32(bitPattern: priority))
    }
  }
}

extension SetSpec {
  fileprivate func put(_ attributes: inout NftAttributes, number: UInt32) {
    attributes.put(.setName, name)
    attributes.put(.setFlags, UInt32((value == .none ? 0 : 8) | (isInterval ? 4 : 0)))  // NFT_SET_MAP, _INTERVAL
    attributes.put(.setKeyType, key.number)
    attributes.put(.setKeyLength, UInt32(key.byteCount))
    switch value {
    case .none: break
    case .verdict:
      attributes.put(.setDataType, 0xFFFF_FF00 as UInt32)  // NFT_DATA_VERDICT
      attributes.put(.setDataLength, UInt32(0))
    case .fields(let kinds):
      attributes.put(.setDataType, kinds.number)
      attributes.put(.setDataLength, UInt32(kinds.byteCount))
    }
    attributes.put(.setID, number)
    attributes.put(.setUserData, userData)
  }

  private var userData: [UInt8] {
    let concatenatedKey = key.count > 1 ? SetUserData.concatenatedKey : []
    switch value {
    case .none: return SetUserData.key(key.byteOrder) + concatenatedKey
    case .verdict:
      return SetUserData.key(key.byteOrder) + SetUserData.value(.none) + concatenatedKey
        + SetUserData.noIntervalsInValues
    case .fields(let kinds):
      return SetUserData.key(key.byteOrder) + SetUserData.value(kinds.byteOrder) + concatenatedKey
        + (kinds.count > 1 ? SetUserData.concatenatedValue : []) + SetUserData.noIntervalsInValues
    }
  }
}

extension Element {
  /// Puts the key; `isWhole`: the value and the comment too.
  fileprivate func put(_ attributes: inout NftAttributes, isWhole: Bool) {
    attributes.nest(.elementKey) { $0.put(.value, key.bytes) }
    guard isWhole else { return }
    switch value {
    case .none: break
    case .jump(let chain): attributes.nest(.elementData) { $0.put(verdict: NftCode.jump, chain) }
    case .fields(let fields): attributes.nest(.elementData) { $0.put(.value, fields.bytes) }
    }
    attributes.put(.elementUserData, commentData(comment))
  }
}

/// A comment in user data, as nft writes it.
private func commentData(_ text: String) -> [UInt8] {
  let bytes = Array(text.utf8.prefix(254)) + [0]
  return [0, UInt8(bytes.count)] + bytes
}

extension [Field.Kind] {
  /// nft's number for the type; six bits for each field of a concatenation.
  var number: UInt32 { reduce(0) { $0 << 6 | $1.number } }

  /// The bytes of a value; in a concatenation, each component is padded to a multiple of four bytes.
  fileprivate var byteCount: Int { count == 1 ? self[0].byteCount : reduce(0) { $0 + ($1.byteCount + 3) & ~3 } }

  fileprivate var byteOrder: SetUserData.ByteOrder {
    guard count == 1 else { return .none }
    return [.interface, .transport, .number].contains(self[0]) ? .host : .network
  }
}
