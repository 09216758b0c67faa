import Glibc
import Kernel
import NetTypes
import Netfilter

/// A table of nf_tables that `iptables-nft` shows; the rules of a chain are read when they are first used.
///
/// A missing table or built-in chain is created, and is deleted with our last rule if we created it.
final class NftTable: TableStore {
  struct Chain {
    /// The kernel's use count when the chain was listed, which includes the chain's own rules.
    var uses = 0
    var policy: String?
    var isBase = false
    /// Whether we created the chain: its user data has our comment.
    var isOurs = false
    /// `nil`: not read yet.
    var rules: [Rule]?
    /// Rules that this batch appended before the chain's rules were read.
    var appended: [Rule] = []
    /// The number of rules when they were read.
    var readCount = 0
    /// The number of jumps that this batch adds.
    var newReferences = 0
  }

  struct Rule {
    var handle: UInt64?
    /// Identifies a rule of this batch.
    var number: UInt32
    var content: NftRuleContent

    var rule: PresentRule { content.rule }
  }

  let name: TableName
  let generation: UInt32
  private let socket: NftSocket
  var messages: [NftMessage] = []
  private(set) var contents: [String: Chain] = [:]
  private(set) var hasTable = false
  private(set) var isOurs = false
  /// The number of objects in the table that are not chains, for instance sets.
  private(set) var otherUses = 0
  private var lastNumber: UInt32 = 0
  /// The first error from reading a chain; `commit` throws it.
  private var failure: KernelError?

  /// Reads the table as it is now; creates nothing.
  init(_ name: TableName) throws(KernelError) {
    self.name = name
    let socket = try NftSocket.open()
    generation = try Self.generation(socket)
    self.socket = socket
    try list()
  }

  static func generation(_ socket: borrowing NftSocket) throws(KernelError) -> UInt32 {
    let message = NftMessage(kind: .getGeneration, family: IPFamily.v4.netfilterNumber)
    let answer = try socket.ask(message, doing: "ask for the generation of nf_tables").first
    return UInt32(answer?.number(.generation) ?? 0)
  }

  private func list() throws(KernelError) {
    guard let table = try Self.table(name, socket) else { return }
    hasTable = true
    isOurs = table[.tableUserData].map { Array($0) } == NftTable.userData
    let request = NftMessage(
      kind: .getChain, flags: NftMessage.Flags.dump, family: name.family.netfilterNumber, attributes: NftAttributes())
    for answer in try socket.ask(request, doing: "list chains of \(name)")
    where answer.text(.chainTable) == name.kind.rawValue {
      guard let chain = answer.text(.chainName) else { continue }
      let policy = answer.number(.chainPolicy).map { $0 == 0 ? "DROP" : "ACCEPT" }
      contents[chain] = Chain(
        uses: Int(answer.number(.chainUse) ?? 0), policy: policy, isBase: answer.nested(.chainHook) != nil,
        isOurs: answer[.chainUserData].map { Array($0) } == NftTable.userData)
    }
    otherUses = Int(table.number(.tableUse) ?? 0) - contents.count
    for chain in contents.keys where NftTable.hooks(name.kind)[chain] != nil { try read(chain) }
  }

  static func table(_ name: TableName, _ socket: borrowing NftSocket) throws(KernelError) -> NftAnswer? {
    var attributes = NftAttributes()
    attributes.put(.tableName, name.kind.rawValue)
    let message = NftMessage(kind: .getTable, family: name.family.netfilterNumber, attributes: attributes)
    return try socket.ask(message, doing: "look for \(name)").first
  }

  private func read(_ chain: String) throws(KernelError) {
    guard var content = contents[chain], content.rules == nil else { return }
    var attributes = NftAttributes()
    attributes.put(.ruleTable, name.kind.rawValue)
    attributes.put(.ruleChain, chain)
    let request = NftMessage(
      kind: .getRule, flags: NftMessage.Flags.dump, family: name.family.netfilterNumber, attributes: attributes)
    let answers = try socket.ask(request, doing: "list rules of chain \(chain) in \(name)")
    let rules = answers.filter { $0.text(.ruleChain) == chain }.map { answer in
      lastNumber += 1
      return Rule(
        handle: answer.number(.ruleHandle), number: lastNumber,
        content: NftRuleContent(name.family, expressions: answer[.ruleExpressions] ?? []))
    }
    content.rules = rules + content.appended
    content.readCount = rules.count
    contents[chain] = content
  }

  private func rules(in chain: String) -> [Rule] {
    if contents[chain]?.rules == nil {
      do throws(KernelError) { try read(chain) } catch { failure = failure ?? error }
    }
    return contents[chain]?.rules ?? []
  }

  // MARK: looking

  var chains: [String] {
    let hooks = NftTable.hooks(name.kind)
    return contents.keys.sorted { (hooks[$0] == nil ? 1 : 0, $0) < (hooks[$1] == nil ? 1 : 0, $1) }
  }

  func has(_ chain: String) -> Bool { contents[chain] != nil }

  func policy(of chain: String) -> String? { contents[chain]?.policy }

  func firstIndex(in chain: String, where holds: (PresentRule) -> Bool) -> Int? {
    rules(in: chain).firstIndex { holds($0.rule) }
  }

  func has(in chain: String, containing text: String, where holds: (PresentRule) -> Bool) -> Bool {
    let text = Array(text.utf8)
    return rules(in: chain).contains { $0.content.contains(text) && holds($0.rule) }
  }

  func indices(in chain: String, marked ownerComment: String) -> [(Int, PresentRule)] {
    let text = Array(ownerComment.utf8)
    return rules(in: chain).enumerated().compactMap { index, rule in
      rule.content.contains(text) && rule.rule.hasOwnerComment(ownerComment) ? (index, rule.rule) : nil
    }
  }

  func references(to chain: String) -> Int {
    _ = rules(in: chain)
    return contents[chain].map { max(0, $0.uses - $0.readCount) + $0.newReferences } ?? 0
  }

  // MARK: changing

  func create(_ chain: String) {
    add(.newChain, NftMessage.Flags.create) { $0.put(.chainName, chain) }
    contents[chain] = Chain(rules: [])
  }

  func delete(_ chain: String) {
    add(.deleteChain) { $0.put(.chainName, chain) }
    contents[chain] = nil
  }

  /// Appends a rule without reading the chain: `CNI-OWNERS` has a rule for each container.
  func append(_ entry: [UInt8], to chain: String) {
    guard let content = contents[chain], content.rules == nil else {
      return put(entry, at: rules(in: chain).count, in: chain)
    }
    lastNumber += 1
    let number = lastNumber
    add(.newRule, NftMessage.Flags.create | NftMessage.Flags.append) {
      $0.put(.ruleChain, chain)
      $0.put(.ruleID, number)
      $0.join(NftExpressions.attributes(name.family, entry))
    }
    let rule = PresentRule(name.family, written: entry)
    contents[chain]?.appended.append(Rule(handle: nil, number: number, content: NftRuleContent(rule)))
    contents[rule.target]?.newReferences += 1
  }

  func insert(_ entry: [UInt8], at index: Int, in chain: String) { put(entry, at: index, in: chain) }

  private func put(_ entry: [UInt8], at index: Int, in chain: String) {
    if contents[chain] == nil { makeBuiltIn(chain) }
    let existing = rules(in: chain)
    lastNumber += 1
    let number = lastNumber
    let isLast = index >= existing.count
    add(.newRule, NftMessage.Flags.create | (isLast ? NftMessage.Flags.append : 0)) {
      $0.put(.ruleChain, chain)
      if !isLast, index > 0 {
        if let handle = existing[index].handle {
          $0.put(.rulePosition, handle: handle)
        } else {
          $0.put(.rulePositionID, existing[index].number)
        }
      }
      $0.put(.ruleID, number)
      $0.join(NftExpressions.attributes(name.family, entry))
    }
    let rule = PresentRule(name.family, written: entry)
    contents[chain]?.rules?.insert(
      Rule(handle: nil, number: number, content: NftRuleContent(rule)), at: min(index, existing.count))
    contents[rule.target]?.newReferences += 1
  }

  func deleteRule(at index: Int, in chain: String) {
    let existing = rules(in: chain)
    guard existing.indices.contains(index) else { return }
    add(.deleteRule) {
      $0.put(.ruleChain, chain)
      if let handle = existing[index].handle {
        $0.put(.ruleHandle, handle: handle)
      } else {
        $0.put(.ruleID, existing[index].number)
      }
    }
    contents[existing[index].rule.target]?.newReferences -= 1
    contents[chain]?.rules?.remove(at: index)
  }

  func add(_ kind: NftMessage.Kind, _ flags: UInt16 = 0, _ fill: (inout NftAttributes) -> Void) {
    if !hasTable {
      hasTable = true
      isOurs = true
      messages.append(NftTable.creation(of: name))
    }
    var attributes = NftAttributes()
    attributes.put(.tableName, name.kind.rawValue)
    fill(&attributes)
    messages.append(NftMessage(kind: kind, flags: flags, family: name.family.netfilterNumber, attributes: attributes))
  }

  func note(_ chain: Chain, _ name: String) { contents[name] = chain }

  func commit() throws(KernelError) {
    if let failure { throw failure }
    removeUnused()
    try socket.commit(messages, generation, doing: "commit \(name) of nf_tables")
  }
}

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
    attributes.put(.tableName, name.kind.rawValue)
    attributes.put(.tableUserData, userData)
    return NftMessage(
      kind: .newTable, flags: NftMessage.Flags.create, family: name.family.netfilterNumber, attributes: attributes)
  }

  /// Creates a built-in chain, as `iptables` does when it first adds a rule to it.
  func makeBuiltIn(_ chain: String) {
    guard let hook = NftTable.hooks(name.kind)[chain] else { return }
    add(.newChain, NftMessage.Flags.create) {
      $0.put(.chainName, chain)
      $0.nest(.chainHook) {
        $0.put(.hookNumber, hook.number)
        $0.put(.hookPriority, UInt32(bitPattern: hook.priority))
      }
      $0.put(.chainPolicy, UInt32(1))
      $0.put(.chainType, name.kind.rawValue)
      $0.put(.chainUserData, NftTable.userData)
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
  var isUsedByOtherPrograms: Bool {
    guard hasTable else { return false }
    let hooks = NftTable.hooks(name.kind)
    // A table of the same name that `nft` created has base chains with other names.
    guard contents.allSatisfy({ !$0.value.isBase || hooks[$0.key] != nil }) else { return false }
    return contents.contains { chain, content in
      if hooks[chain] == nil { return !Layout.isOurs(chain) }
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
