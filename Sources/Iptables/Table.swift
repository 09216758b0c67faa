import Kernel
import Linux
import NetTypes
import PacketFilter

/// A copy of one table: changed in memory, then committed as a whole.
///
/// Every change is recorded, so that it can be rolled back.
struct Table: ~Copyable {
  let name: TableName
  private(set) var edits: [TableEdit] = []
  private let store: any TableStore

  /// Reads the table as it is now; the kernel creates a legacy table that was not in use.
  ///
  /// - Throws: ENOENT if a library is missing, ENOPROTOOPT or ENOENT if the kernel has no such table.
  static func read(_ name: TableName, _ variant: Variant = .legacy) throws(KernelError) -> Table {
    switch variant {
    case .legacy: Table(name, try LegacyTable(name))
    case .nftables: Table(name, try NftTable(name))
    }
  }

  private init(_ name: TableName, _ store: any TableStore) {
    self.name = name
    self.store = store
  }

  /// Replaces the kernel's table by the copy.
  ///
  /// - Throws: EAGAIN if the table has changed since it was read; the kernel's error for a rule.
  func commit() throws(KernelError) {
    guard !edits.isEmpty else { return }
    try store.commit()
  }

  /// The built-in chains and then the others, sorted by name.
  var chains: [String] { store.chains }

  func has(_ chain: String) -> Bool { store.has(chain) }

  func policy(of chain: String) -> String? { store.policy(of: chain) }

  /// The rules of that chain; empty if the chain is missing.
  func rules(in chain: String) -> [PresentRule] {
    var rules: [PresentRule] = []
    _ = firstIndex(in: chain) {
      rules.append($0)
      return false
    }
    return rules
  }

  /// The index of the first rule in that chain for which `holds` is true.
  func firstIndex(in chain: String, where holds: (PresentRule) -> Bool) -> Int? {
    store.firstIndex(in: chain, where: holds)
  }

  /// Whether the chain has a rule for which `holds` is true; each such rule has `text` in its comment or target.
  func has(in chain: String, containing text: String, where holds: (PresentRule) -> Bool) -> Bool {
    store.has(in: chain, containing: text, where: holds)
  }

  /// Deletes the chain's rules with that attachment's comment.
  mutating func delete(from chain: String, marked ownerComment: String) throws(KernelError) {
    for (index, rule) in store.indices(in: chain, marked: ownerComment).reversed() {
      try delete(rule, at: index, in: chain)
    }
  }

  /// The number of rules that jump to the chain; 0 if the chain is missing.
  func references(to chain: String) -> Int { store.references(to: chain) }

  mutating func create(_ chain: String) throws(KernelError) {
    try store.create(chain)
    edits.append(.created(chain))
  }

  /// Deletes an empty chain to which no rule jumps.
  mutating func delete(_ chain: String) throws(KernelError) {
    try store.delete(chain)
    edits.append(.deletedChain(chain))
  }

  mutating func append(_ entry: [UInt8], to chain: String) throws(KernelError) {
    try store.append(entry, to: chain)
    edits.append(.appended(chain))
  }

  /// Inserts the rule at `index`; 0 is the first position.
  mutating func insert(_ entry: [UInt8], at index: Int, in chain: String) throws(KernelError) {
    try store.insert(entry, at: index, in: chain)
    edits.append(.inserted(chain, index))
  }

  mutating func delete(_ rule: PresentRule, at index: Int, in chain: String) throws(KernelError) {
    try store.deleteRule(at: index, in: chain)
    edits.append(.deleted(chain, index, rule))
  }
}

/// A change of a table, with the data that a rollback needs.
enum TableEdit: Equatable, Sendable {
  case created(String)
  case deletedChain(String)
  case appended(String)
  case inserted(String, Int)
  case deleted(String, Int, PresentRule)
}

extension Table {
  /// Rolls back committed changes, the last one first.
  mutating func rollBack(_ edits: [TableEdit]) throws(KernelError) {
    for edit in edits.reversed() {
      switch edit {
      case .created(let chain): try delete(chain)
      case .deletedChain(let chain): try create(chain)
      case .appended(let chain):
        let rules = rules(in: chain)
        if let last = rules.last { try delete(last, at: rules.count - 1, in: chain) }
      case .inserted(let chain, let index):
        let rules = rules(in: chain)
        if rules.indices.contains(index) { try delete(rules[index], at: index, in: chain) }
      case .deleted(let chain, let index, let rule): try insert(rule.insertable, at: index, in: chain)
      }
    }
  }
}

extension Table {
  /// Adds the item if it is missing.
  ///
  /// - Parameters:
  ///   - item: the item that must be present.
  ///   - ownerComment: the comment of the owner's rules.
  /// - Throws: EEXIST if another owner wants other rules in the same chain, ENOENT if another program's chain is missing.
  mutating func make(_ item: PlanItem, ownerComment: String) throws(KernelError) {
    switch item {
    case .chain(let chain): try makeChain(chain)
    case .filled(let filled): try fill(filled, ownerComment)
    case .shared(let rule, let chain, let position):
      if index(of: rule, in: chain) == nil { try add(rule, to: chain, position) }
    case .owned(let rule, let chain, let position): try add(rule, to: chain, position)
    case .foreign(let foreign): try make(foreign)
    case .existing(let chain):
      guard has(chain) else {
        throw KernelError(
          "jump to chain \(chain) in \(name)", errno: .ENOENT, reason: "no such chain; want one that sets a mark")
      }
    }
  }

  /// The index of an equivalent rule.
  func index(of rule: TableRule, in chain: String) -> Int? {
    let (key, target) = (rule.key, rule.target.name)
    return firstIndex(in: chain) { $0.target == target && $0.key == key }
  }

  private mutating func makeChain(_ chain: String) throws(KernelError) {
    if !has(chain) { try create(chain) }
  }

  private mutating func add(_ rule: TableRule, to chain: String, _ position: PlanItem.Position) throws(KernelError) {
    switch position {
    case .first: try insert(rule.bytes, at: 0, in: chain)
    case .last: try append(rule.bytes, to: chain)
    case .after(let other):
      let index = firstIndex(in: chain) { $0.target == other }
      try insert(rule.bytes, at: index.map { $0 + 1 } ?? 0, in: chain)
    case .before(let other):
      if let index = firstIndex(in: chain, where: { $0.target == other }) {
        try insert(rule.bytes, at: index, in: chain)
      } else {
        try append(rule.bytes, to: chain)
      }
    }
  }

  private mutating func fill(_ filled: PlanItem.FilledChain, _ ownerComment: String) throws(KernelError) {
    let chain = filled.chain
    try makeChain(chain)
    let existing = rules(in: chain)
    if existing.map({ $0.key }) == filled.rules.map({ $0.key }) { return }
    let other = rules(in: Layout.owners).first { $0.target == chain && $0.comment != ownerComment }
    if let subject = filled.subject, let other, !existing.isEmpty {
      throw KernelError(
        subject, errno: .EEXIST,
        reason: "\(other.comment ?? "another") uses other settings for it; want the same settings for all")
    }
    try empty(chain)
    for rule in filled.rules { try append(rule.bytes, to: chain) }
  }

  private mutating func make(_ foreign: PlanItem.ForeignChain) throws(KernelError) {
    let keys = [foreign.jumpToCreated.key, foreign.jumpToExisting.key]
    let jump = firstIndex(in: foreign.from) { $0.target == foreign.chain && keys.contains($0.key) }
    guard jump == nil else { return }
    let exists = has(foreign.chain)
    if !exists { try create(foreign.chain) }
    try add(exists ? foreign.jumpToExisting : foreign.jumpToCreated, to: foreign.from, foreign.position)
  }

  /// Deletes all rules of the chain.
  mutating func empty(_ chain: String) throws(KernelError) { try delete(from: chain) { _ in true } }

  /// Deletes the rules of the chain for which `isUnwanted` is true.
  mutating func delete(from chain: String, where isUnwanted: (PresentRule) -> Bool) throws(KernelError) {
    var unwanted: [(Int, PresentRule)] = []
    var index = 0
    _ = firstIndex(in: chain) {
      if isUnwanted($0) { unwanted.append((index, $0)) }
      index += 1
      return false
    }
    for (index, rule) in unwanted.reversed() { try delete(rule, at: index, in: chain) }
  }
}

extension Table {
  /// Deletes the rules with that comment, and the shared rules and chains that only they used.
  mutating func remove(ownerComment: String) throws(KernelError) {
    for chain in chainsWithOwners { try delete(from: chain, marked: ownerComment) }
    switch name.kind {
    case .nat: try sweepNAT()
    case .filter: try sweepFilter()
    }
  }

  /// The chains that may hold rules of ours: our own, and chains for published ports that the configuration names.
  var chainsWithOwners: [String] {
    chains.filter(Layout.isOurs) + namedPortChains
  }

  /// The chains that hold rules for published ports.
  var portChains: [String] {
    [Layout.ports] + chains.filter { $0.hasPrefix(Layout.portPrefix) && Layout.isOurs($0) } + namedPortChains
  }

  private var namedPortChains: [String] {
    var names: [String] = []
    for rule in rules(in: Layout.ports)
    where rule.isJumpToForeign(Layout.publishedComment) && !names.contains(rule.target) { names.append(rule.target) }
    return names
  }

  private mutating func sweepNAT() throws(KernelError) {
    try sweepOwned(Layout.masqueradePrefix, jumpsIn: Layout.outbound)
    for chain in chains where chain.hasPrefix(Layout.portPrefix) && Layout.isOurs(chain) && references(to: chain) == 0 {
      try discard(chain)
    }
    try sweepForeign(from: Layout.ports, Layout.publishedComment) { table, chain in
      table.rules(in: chain).allSatisfy { $0.comment?.hasPrefix("cni:") != true }
    }
    try sweepMarks()
    try sweepReturnPaths()
    try sweep(Layout.ports, from: ["PREROUTING", "OUTPUT"])
    try sweep(Layout.floating, from: ["PREROUTING", "OUTPUT"])
    try sweep(Layout.outbound, from: ["POSTROUTING"])
    try sweep(Layout.owners, from: [])
  }

  /// Deletes the masquerade rules for marks that no rule sets any more.
  private mutating func sweepMarks() throws(KernelError) {
    guard firstIndex(in: Layout.outbound, where: { $0.comment == Layout.markedComment }) != nil else { return }
    var set: UInt32 = 0
    for chain in portChains { for rule in rules(in: chain) { set |= rule.setMark ?? 0 } }
    try delete(from: Layout.outbound) { $0.comment == Layout.markedComment && ($0.matchedMark ?? 0) & set == 0 }
  }

  /// Deletes the return paths of subnets without published ports.
  private mutating func sweepReturnPaths() throws(KernelError) {
    let paths = rules(in: Layout.outbound).filter { $0.comment == Layout.returnComment }
    guard !paths.isEmpty else { return }
    let targets = holders(of: nil).map { $0.port.target }
    let unused = Set(paths.filter { path in !targets.contains { path.subnet?.contains($0) ?? false } }.map { $0.key })
    try delete(from: Layout.outbound) { !unused.isEmpty && unused.contains($0.key) }
  }

  /// Removes the rules that protect 127.0.0.0/8.
  mutating func removeLoopbackGuard() throws(KernelError) {
    guard has(Layout.loopback) else { return }
    try delete(from: "INPUT") { $0.target == Layout.loopback }
    try discard(Layout.loopback)
  }

  private mutating func sweepFilter() throws(KernelError) {
    try sweepOwned(Layout.isolationPrefix, jumpsIn: Layout.isolation)
    let bridges = Set(rules(in: Layout.isolation).map { $0.outDevice })
    try delete(from: Layout.isolated) { !$0.outDevice.isEmpty && !bridges.contains($0.outDevice) }
    if firstIndex(in: Layout.isolated, where: { !$0.outDevice.isEmpty }) == nil, has(Layout.isolated),
      references(to: Layout.isolated) == 0
    {
      try discard(Layout.isolated)
    }
    for chain in chains where chain.hasPrefix(Layout.linksPrefix) && Layout.isOurs(chain) {
      if references(to: chain) == 0, firstIndex(in: chain, where: { $0.comment != nil }) == nil { try discard(chain) }
    }
    try sweepOwned(Layout.admissionPrefix, jumpsIn: Layout.forward)
    try sweepForeign(from: Layout.forward, Layout.adminComment) { table, chain in
      ![Layout.forward, Layout.owners].contains { table.has(in: $0, containing: chain) { $0.neededChain == chain } }
    }
    try sweepOwned(Layout.servicePrefix, jumpsIn: Layout.names)
    try sweep(Layout.names, from: ["INPUT"])
    try sweep(Layout.isolation, from: ["FORWARD"])
    try sweep(Layout.forward, from: ["FORWARD"])
    try sweep(Layout.owners, from: [])
  }

  /// Deletes the chains that no rule in `CNI-OWNERS` jumps to, and the jumps to them.
  private mutating func sweepOwned(_ prefix: String, jumpsIn chain: String) throws(KernelError) {
    // Reference counts avoid a scan of all owners; an operator's jump counts too, so chains that lost an owner are scanned.
    let jumps = rules(in: chain).reduce(into: [:]) { $0[$1.target, default: 0] += 1 }
    let candidates = chains.filter { $0.hasPrefix(prefix) && Layout.isOurs($0) }
    let unwanted = Set(
      candidates.filter { candidate in
        references(to: candidate) <= jumps[candidate, default: 0]
          || (hasLostOwner(candidate)
            && !has(in: Layout.owners, containing: candidate) { $0.target == candidate })
      })
    guard !unwanted.isEmpty else { return }
    try delete(from: chain) { unwanted.contains($0.target) }
    for chain in unwanted.sorted() { try discard(chain) }
  }

  private func hasLostOwner(_ chain: String) -> Bool {
    edits.contains { if case .deleted(Layout.owners, _, let rule) = $0 { rule.target == chain } else { false } }
  }

  /// Deletes jumps to other programs' chains that none of our rules needs any more, and the chain if we created it.
  private mutating func sweepForeign(
    from: String, _ comment: String, where isUnwanted: (borrowing Table, String) -> Bool
  ) throws(KernelError) {
    let jumps = rules(in: from).filter { $0.isJumpToForeign(comment) }
    for jump in jumps where isUnwanted(self, jump.target) {
      let key = jump.key
      try delete(from: from) { $0.key == key }
      if jump.comment == comment, references(to: jump.target) == 0, rules(in: jump.target).isEmpty {
        try delete(jump.target)
      }
    }
  }

  /// Deletes one of our chains if it is empty, and the jumps to it from built-in chains.
  private mutating func sweep(_ chain: String, from hooks: [String]) throws(KernelError) {
    guard has(chain), firstIndex(in: chain, where: { _ in true }) == nil else { return }
    for hook in hooks { try delete(from: hook) { $0.target == chain } }
    try discard(chain)
  }

  /// Empties one of our chains; deletes it unless another program's rule jumps to it.
  private mutating func discard(_ chain: String) throws(KernelError) {
    try empty(chain)
    if references(to: chain) == 0 { try delete(chain) }
  }
}

extension PresentRule {
  /// Whether this rule jumps to a chain that the configuration names, for that purpose.
  fileprivate func isJumpToForeign(_ purpose: String) -> Bool {
    guard !Layout.isOurs(target), let comment else { return false }
    return comment == purpose || comment == purpose + Layout.existingSuffix
  }
}
