import NetTypes

extension NftTable {
  struct Hook {
    var number: UInt32
    var priority: Int32
  }

  /// The mark of a table or built-in chain that we created: libnftnl's comment "cni" in its user data.
  static let userData: [UInt8] = [0, 4] + Array("cni".utf8) + [0]

  /// The built-in chains with the hooks and priorities of `iptables-nft`.
  static func hooks(_ kind: TableName.Kind) -> [String: Hook] {
    switch kind {
    case .filter:
      [
        "INPUT": Hook(number: 1, priority: 0), "FORWARD": Hook(number: 2, priority: 0),
        "OUTPUT": Hook(number: 3, priority: 0),
      ]
    case .nat:
      [
        "PREROUTING": Hook(number: 0, priority: -100), "INPUT": Hook(number: 1, priority: 100),
        "OUTPUT": Hook(number: 3, priority: -100), "POSTROUTING": Hook(number: 4, priority: 100),
      ]
    }
  }

  static func creation(of name: TableName) -> NftMessage {
    var attributes = NftAttributes()
    attributes.put(1, name.kind.rawValue)
    attributes.put(6, userData)
    return NftMessage(kind: .newTable, flags: NftMessage.Flags.create, family: name.family, attributes: attributes)
  }

  /// Creates a built-in chain, as `iptables` does when it first adds a rule to it.
  func makeBuiltIn(_ chain: String) {
    guard let hook = NftTable.hooks(name.kind)[chain] else { return }
    add(.newChain, NftMessage.Flags.create) {
      $0.put(3, chain)
      $0.nest(4) {
        $0.put(1, hook.number)
        $0.put(2, UInt32(bitPattern: hook.priority))
      }
      $0.put(5, UInt32(1))
      $0.put(7, name.kind.rawValue)
      $0.put(12, NftTable.userData)
    }
    note(Chain(policy: "ACCEPT", isBase: true, isOurs: true, rules: []), chain)
  }

  /// Deletes empty built-in chains that we created, and then the table if we created it and it is empty.
  func removeUnused() {
    let unused = contents.filter { $0.value.isOurs && $0.value.policy == "ACCEPT" && $0.value.rules?.isEmpty == true }
    for chain in unused.keys.sorted() { delete(chain) }
    guard isOurs, contents.isEmpty, otherUses <= 0, messages.contains(where: { $0.kind == .deleteChain }) else {
      return
    }
    add(.deleteTable) { _ in }
  }

  /// Whether another program created FORWARD or has rules in it.
  var isForwardOfHost: Bool {
    guard let chain = contents["FORWARD"], chain.isBase else { return false }
    return !chain.isOurs || chain.policy == "DROP"
      || chain.rules?.contains { !Layout.isOurs($0.rule.target) } == true
  }

  /// Whether `iptables-nft` shows this table and something in it is not ours.
  var isUsedByOthers: Bool {
    guard hasTable else { return false }
    let known = NftTable.hooks(name.kind)
    // A table of the same name that `nft` created has base chains with other names.
    guard contents.allSatisfy({ !$0.value.isBase || known[$0.key] != nil }) else { return false }
    return contents.contains { chain, content in
      if known[chain] == nil { return !Layout.isOurs(chain) }
      return !content.isOurs || content.policy == "DROP"
        || content.rules?.contains { !Layout.isOurs($0.rule.target) } == true
    }
  }
}

extension NftAttributes {
  mutating func join(_ other: NftAttributes) { append(other.all) }
}

extension PresentRule {
  /// A rule that is not committed yet.
  init(_ family: IPFamily, written entry: [UInt8]) {
    let offset = entry.number16(at: EntryShape(family).targetOffset)
    let target = entry.text(at: offset + 2, count: 29)
    self.init(family, entry, target: target, isExtension: NftCode.verdict(target) == nil)
  }
}
