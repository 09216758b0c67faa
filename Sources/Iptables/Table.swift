import Kernel
import NetTypes

/// A copy of one table: changed here, then committed whole.
///
/// Every change is noted, so that it can be taken back.
struct Table: ~Copyable {
  let name: TableName
  private(set) var edits: [TableEdit] = []
  private let store: any TableStore

  /// Takes the table as it is now; a legacy one is made by the kernel where it was not used yet.
  ///
  /// - Throws: ENOENT where a library is not there, ENOPROTOOPT or ENOENT where the kernel has no such table.
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

  /// Makes the copy the table.
  ///
  /// - Throws: EAGAIN where the table was changed since it was taken; what the kernel says of a rule.
  func commit() throws(KernelError) {
    guard !edits.isEmpty else { return }
    try store.commit()
  }

  /// The built-in chains and then the others, by name.
  var chains: [String] { store.chains }

  func has(_ chain: String) -> Bool { store.has(chain) }

  func policy(of chain: String) -> String? { store.policy(of: chain) }

  /// The rules of that chain; none where there is no such chain.
  func rules(in chain: String) -> [PresentRule] {
    var rules: [PresentRule] = []
    _ = firstIndex(in: chain) {
      rules.append($0)
      return false
    }
    return rules
  }

  /// The place of the first rule in that chain of which `holds` is true.
  func firstIndex(in chain: String, where holds: (PresentRule) -> Bool) -> Int? {
    store.firstIndex(in: chain, where: holds)
  }

  /// Whether the chain has a rule of which `holds` is true; each such rule has that text in its comment or target.
  func has(in chain: String, containing text: String, where holds: (PresentRule) -> Bool) -> Bool {
    store.has(in: chain, containing: text, where: holds)
  }

  /// Deletes the chain's rules with that attachment's comment.
  mutating func delete(from chain: String, marked mark: String) throws(KernelError) {
    for (index, rule) in store.indices(in: chain, marked: mark).reversed() { try delete(rule, at: index, in: chain) }
  }

  /// How many rules jump there; 0 where there is no such chain.
  func references(to chain: String) -> Int { store.references(to: chain) }

  mutating func create(_ chain: String) throws(KernelError) {
    try store.create(chain)
    edits.append(.created(chain))
  }

  /// Deletes an empty chain that nobody jumps to.
  mutating func delete(_ chain: String) throws(KernelError) {
    try store.delete(chain)
    edits.append(.deletedChain(chain))
  }

  mutating func append(_ entry: [UInt8], to chain: String) throws(KernelError) {
    try store.append(entry, to: chain)
    edits.append(.appended(chain))
  }

  /// Puts the rule where `index` is, 0 being the first, and what is there after it.
  mutating func insert(_ entry: [UInt8], at index: Int, in chain: String) throws(KernelError) {
    try store.insert(entry, at: index, in: chain)
    edits.append(.inserted(chain, index))
  }

  mutating func delete(_ rule: PresentRule, at index: Int, in chain: String) throws(KernelError) {
    try store.deleteRule(at: index, in: chain)
    edits.append(.deleted(chain, index, rule))
  }
}

/// A change of a table, with what is needed to take it back.
enum TableEdit: Equatable, Sendable {
  case created(String)
  case deletedChain(String)
  case appended(String)
  case inserted(String, Int)
  case deleted(String, Int, PresentRule)
}

extension Table {
  /// Takes changes back that were committed, the last one first.
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
