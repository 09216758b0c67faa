import CNI
import Kernel
import NetTypes
import PacketFilter

/// The present content of our tables.
enum Found {
  /// Whether any owner has rules.
  static func isAnything(in socket: borrowing RulesetSocket) throws(KernelError) -> Bool {
    for table in Table.allCases where try socket.uses(of: table.anchor, table) != nil { return true }
    return false
  }

  /// The elements of all sets whose comment satisfies `fits`.
  static func elements(
    in socket: borrowing RulesetSocket, where fits: (String) -> Bool
  ) throws(KernelError) -> [Element] {
    var elements: [Element] = []
    for table in Table.allCases where try socket.uses(of: table.anchor, table) != nil {
      for set in Layout.sets(table) {
        elements += try socket.elements(of: set).filter { fits($0.comment) }.compactMap { Element($0, in: set) }
      }
    }
    return elements
  }

  /// Whether the fixed chains of the table exist and have the expected number of rules.
  ///
  /// Chains for tunnels may be missing unless `part` is `tunnels`.
  static func isLaidOut(
    _ table: Table, for part: Part, in socket: borrowing RulesetSocket
  ) throws(KernelError) -> Bool {
    // A table without this chain guards hardware addresses only.
    let sources = try socket.uses(of: Layout.sources, table)
    let lacksSources = table == .bridge && sources == nil
    for chain in Layout.chains(table) {
      if lacksSources, chain.name == Layout.sources { continue }
      guard try socket.uses(of: chain.name, table) != nil else {
        if part != .tunnels, chain.name.hasPrefix(Layout.tunnelPrefix) { continue }
        return false
      }
      if chain.name == Layout.spare { continue }
      let wanted = lacksSources && !chain.hook.isEmpty ? 1 : chain.rules.count
      guard try socket.ruleCount(of: chain.name, table) == wanted else { return false }
    }
    return true
  }

  /// Whether the chain, its companions and its keepers are complete.
  static func isWhole(_ chain: SharedChain, in socket: borrowing RulesetSocket) throws(KernelError) -> Bool {
    for one in chain.companions + [.init(name: chain.name, rules: chain.rules)] {
      guard try socket.uses(of: one.name, .inet) != nil,
        try socket.ruleCount(of: one.name, .inet) == one.rules.count
      else { return false }
    }
    for keeper in chain.keepers {
      guard let found = try socket.element(keeper.key, of: keeper.set), found.matches(keeper) else { return false }
    }
    return true
  }

  /// Deletions of all shared chains that no owner's element leads to; each is run as a transaction of its own.
  ///
  /// The kernel's use counts select them. If a chain is needed after all, the kernel refuses to delete it.
  static func abandoned(in socket: borrowing RulesetSocket) throws(KernelError) -> [[String]] {
    let fixed = Set(Layout.chains(.inet).map(\.name))
    let chains = try socket.chains(.inet).filter { !fixed.contains($0.name) && !isCompanion($0.name) }
    var deletions: [[String]] = []
    var dumps = Dumps()
    for chain in chains {
      let companion = companion(of: chain.name)
      let isKept = companion != nil || Layout.keptPrefixes.contains(where: chain.name.hasPrefix)
      let jumps = chain.uses - (try socket.ruleCount(of: chain.name, .inet))
      guard jumps <= (isKept ? mostJumpsOfKeepers : 0) else { continue }
      let keepers = isKept ? try keepers(of: chain.name, in: socket, &dumps) : []
      guard jumps <= keepers.count(where: { $0.value == .jump(chain.name) }) else { continue }
      let names = [chain.name] + [companion].compactMap(\.self)
      deletions.append(keepers.map(\.deletion) + names.map { "delete chain \(Table.inet.name) \($0)" })
    }
    return deletions
  }

  /// Two keepers lead to one chain: those of a network's bridge and of its partner.
  private static let mostJumpsOfKeepers = 2

  private static func keepers(
    of chain: String, in socket: borrowing RulesetSocket, _ dumps: inout Dumps
  ) throws(KernelError) -> [Element] {
    let sets =
      if chain.hasPrefix(Layout.servicePrefix) {
        IPFamily.allCases.map { FamilySets($0).served }
      } else if chain.hasPrefix(Layout.tunnelPrefix) {
        [Layout.tunnels, Layout.openTunnels] + IPFamily.allCases.map { FamilySets($0).tunnelPeers }
      } else {
        Layout.isolating.flatMap { [Layout.entering($0), Layout.leaving($0), Layout.isolated($0)] }
      }
    var keepers: [Element] = []
    for set in sets { keepers += try dumps.elements(of: set, commented: chain, in: socket) }
    return keepers
  }

  /// The elements of sets by their comments; each set is dumped once, whatever the number of chains.
  private struct Dumps {
    private var bySet: [String: [String: [Element]]] = [:]

    mutating func elements(
      of set: SetSpec, commented comment: String, in socket: borrowing RulesetSocket
    ) throws(KernelError) -> [Element] {
      if bySet[set.place] == nil {
        let elements = try socket.elements(of: set).compactMap { Element($0, in: set) }
        bySet[set.place] = Dictionary(grouping: elements, by: \.comment)
      }
      return bySet[set.place]?[comment] ?? []
    }
  }

  private static func isCompanion(_ chain: String) -> Bool { chain.hasPrefix("leave_") }

  private static func companion(of chain: String) -> String? {
    chain.hasPrefix("enter_") ? "leave_" + chain.dropFirst("enter_".count) : nil
  }
}

extension Element {
  /// `nil` if this program could not have added the element.
  init?(_ found: FoundElement, in set: SetSpec) {
    guard let key = [Field](set.key, bytes: found.key) else { return nil }
    let value: Value
    switch (set.value, found.value) {
    case (.none, .none): value = .none
    case (.verdict, .jump(let chain)): value = .jump(chain)
    case (.fields(let kinds), .bytes(let bytes)):
      guard let fields = [Field](kinds, bytes: bytes) else { return nil }
      value = .fields(fields)
    default: return nil
    }
    self.init(set: set, key: key, value: value, comment: found.comment)
  }
}
