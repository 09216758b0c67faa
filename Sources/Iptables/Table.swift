import Kernel
import NetTypes

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
  static func take(_ name: TableName, _ flavour: Flavour = .legacy) throws(KernelError) -> Table {
    switch flavour {
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
  mutating func delete(from chain: String, marked mark: String) throws(KernelError) {
    for (index, rule) in store.indices(in: chain, marked: mark).reversed() { try delete(rule, at: index, in: chain) }
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
  mutating func takeBack(_ edits: [TableEdit]) throws(KernelError) {
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
