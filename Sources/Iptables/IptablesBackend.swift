import CNI
import Kernel
public import NetTypes
public import PacketFilter

/// Rules in the tables that the `iptables` command shows: legacy ones by libiptc, those of nf_tables by netlink.
///
/// A table is read whole, changed and committed under the lock of the `iptables` command; `Layout` describes the chains.
/// After its first use, a legacy table stays registered in its network namespace, with empty chains.
///
/// Passages (`Rule.pass`) are added to each flavour in which the host has a chain FORWARD, other rules to one flavour
/// only.
public struct IptablesBackend: FilterBackend {
  var tables = Tables()
  /// The only flavour to use; `nil`: the one that the host uses.
  var onlyFlavour: Flavour?

  public init() {}

  /// - Throws: EEXIST if a port is published already or a bridge is isolated differently, EAGAIN if another process holds the
  ///   lock for too long, EINVAL for an unknown condition, EOPNOTSUPP for a rule that only nftables supports.
  public mutating func add(_ ruleSet: RuleSet) throws(KernelError) {
    let plans = try plans(for: ruleSet)
    var done: [Flavour] = []
    do throws(KernelError) {
      for (flavour, plan) in plans {
        try make(plan, ruleSet, tables(flavour))
        done.append(flavour)
      }
    } catch {
      // The first error is the one to report.
      for flavour in done { try? remove(ruleSet.owner.filterTag, ruleSet.role, known: ruleSet.rules, tables(flavour)) }
      throw error
    }
  }

  /// What the rule set needs in legacy tables and in those of nf_tables.
  private func plans(for ruleSet: RuleSet) throws(KernelError) -> [(Flavour, Plan)] {
    let plan = try Plan.of(ruleSet.withoutPassages, families: IPFamily.ofKernel)
    let passages = try Plan.of(ruleSet.onlyPassages, families: IPFamily.ofKernel)
    try Self.checkConflicts(among: ruleSet.rules.ports)
    let chosen = ruleSet.withoutPassages.rules.isEmpty ? nil : try flavour(for: plan)
    var plans: [(Flavour, Plan)] = []
    for flavour in flavours {
      let passing = passages.limited(to: try tables(flavour).forwarding(passages.tables))
      let whole = flavour == chosen ? plan.joined(with: passing) : passing
      if !whole.pieces.isEmpty { plans.append((flavour, whole)) }
    }
    return plans
  }

  /// Lines of the `iptables` command for what `add` makes; a table that is missing is not made to look at it.
  public mutating func commands(adding ruleSet: RuleSet) throws(KernelError) -> [String] {
    var lines: [String] = []
    for (flavour, plan) in try plans(for: ruleSet) {
      let tables = tables(flavour)
      let shown = if let onlyFlavour { onlyFlavour } else { try Tables.flavourOfHost() }
      let present = try tables.present(plan.tables)
      for name in plan.tables {
        let table: Table? = if present.contains(name) { try tables.take(name) } else { nil }
        var writer = RuleCommands(name, flavour == shown ? nil : flavour, table)
        for piece in plan.pieces[name] ?? [] { writer.make(piece) }
        lines += writer.lines
      }
    }
    return lines
  }

  func make(_ plan: Plan, _ ruleSet: RuleSet, _ tables: Tables) throws(KernelError) {
    try tables.change(plan.tables) { (table) throws(KernelError) in try make(plan, in: &table, for: ruleSet) }
  }

  func make(_ plan: Plan, in table: inout Table, for ruleSet: RuleSet) throws(KernelError) {
    let name = table.name, mark = Layout.mark(plan.tag, plan.role)
    if name.kind == .nat {
      try table.checkConflicts(with: ruleSet.rules.ports.filter { $0.family == name.family }, of: ruleSet.owner)
    }
    for piece in plan.pieces[name] ?? [] { try table.make(piece, mark: mark) }
  }

  var flavours: [Flavour] { onlyFlavour.map { [$0] } ?? Flavour.allCases }

  func tables(_ flavour: Flavour) -> Tables {
    var tables = tables
    tables.flavour = flavour
    return tables
  }

  /// The host's flavour; the other one if only that has the host's chains that the plan jumps to.
  func flavour(for plan: Plan) throws(KernelError) -> Flavour {
    if let onlyFlavour { return onlyFlavour }
    let chosen = try Tables.flavourOfHost()
    let other: Flavour = chosen == .legacy ? .nftables : .legacy
    guard try !tables(chosen).hasChains(of: plan), try tables(other).hasChains(of: plan) else { return chosen }
    return other
  }

  public mutating func remove(_ tag: String, _ role: PluginRole, known: [Rule]?) throws(KernelError) {
    for flavour in flavours { try remove(tag, role, known: known, tables(flavour)) }
  }

  func remove(_ tag: String, _ role: PluginRole, known: [Rule]?, _ tables: Tables) throws(KernelError) {
    let needed = known.map { rules in TableName.all.filter { name in rules.contains { $0.needs(name) } } }
    let own = needed ?? TableName.all
    let mayBeLast = known?.ports.contains { $0.family == .v4 } ?? true
    let mark = Layout.mark(tag, role)
    var isGuardUnwanted = false
    try tables.change(try tables.present(TableName.all.filter { own.contains($0) || $0 == .loopbackGuard })) {
      (name) in
      own.contains(name) || isGuardUnwanted
    } _: { (table) throws(KernelError) in
      if own.contains(table.name) { try table.remove(mark: mark) }
      if table.name == TableName(.nat, .v4) { isGuardUnwanted = mayBeLast && !table.hasPublishedPorts }
      if table.name == .loopbackGuard, isGuardUnwanted { try table.removeLoopbackGuard() }
    }
  }

  public mutating func missing(from ruleSet: RuleSet) throws(KernelError) -> [Rule] {
    var missing: [Rule]?
    var passages: [Rule] = []
    for flavour in flavours {
      let tables = tables(flavour)
      let here = try tables.missing(from: ruleSet.withoutPassages)
      missing = missing.map { $0.filter(here.contains) } ?? here
      let wanted = try tables.forwarding(TableName.all.filter { $0.kind == .filter })
      passages += try tables.missing(from: ruleSet.onlyPassages).filter { rule in wanted.contains(where: rule.needs) }
    }
    return (missing ?? []) + passages
  }

  public func hostRules() throws(KernelError) -> HostRules {
    if try Tables.isUsed(.legacy) { return .legacy }
    return try Tables.isUsed(.nftables) ? .nftables : .nowhere
  }

  public func hasNftablesTables() throws(KernelError) -> Bool {
    try !Tables(.nftables).present(TableName.all).isEmpty
  }

  public mutating func tags(_ role: PluginRole, prefix: String) throws(KernelError) -> Set<String> {
    var tags: Set<String> = []
    for tables in flavours.map(tables) {
      for name in try tables.present(TableName.all) {
        let table = try tables.take(name)
        for chain in table.chainsWithOwners {
          for comment in table.rules(in: chain).compactMap(\.comment) where comment.hasPrefix(prefix) {
            if let tag = Table.tag(comment, role) { tags.insert(tag) }
          }
        }
      }
    }
    return tags
  }

  public mutating func holders(of ports: [PublishedPort]?) throws(KernelError) -> [PortHolder] {
    let families = ports.map { Set($0.map(\.family)) } ?? Set(IPFamily.allCases)
    var holders: [PortHolder] = []
    for tables in flavours.map(tables) {
      for name in try tables.present(IPFamily.allCases.filter(families.contains).map { TableName(.nat, $0) }) {
        let table = try tables.take(name)
        holders += table.holders(of: ports)
      }
    }
    return holders
  }

  public mutating func probe() throws(KernelError) {
    if onlyFlavour == nil, try Tables.flavourOfHost() == .nftables { return }
    for family in IPFamily.ofKernel {
      _ = try Libiptc.load(family)
      let table = TableName(.filter, family)
      // A table in use need not be read: that costs more the more rules it has.
      guard try Tables(.legacy).present([table]).isEmpty else { continue }
      do throws(KernelError) {
        _ = try Table.take(table)
      } catch {
        if onlyFlavour == nil, Tables.canUseNftables { return }
        var error = error
        error.reason += "; want a kernel with legacy tables (ip\(family == .v4 ? "" : "6")table_filter)"
        throw error
      }
    }
  }

  private static func checkConflicts(among ports: [PublishedPort]) throws(KernelError) {
    var earlier = PortIndex()
    for port in ports {
      if let other = earlier.conflict(with: port) {
        throw KernelError("publish \(port)", errno: .EEXIST, reason: "the same container wants \(other) too")
      }
      earlier.insert(port)
    }
  }
}

extension IptablesBackend {
  /// Replaces the rules table by table, each table in one commit; the table with the loopback guard is the first one.
  public mutating func replace(_ old: RuleSet?, with ruleSet: RuleSet) throws(KernelError) {
    let plan = try Plan.of(ruleSet.withoutPassages, families: IPFamily.ofKernel)
    let chosen = ruleSet.withoutPassages.rules.isEmpty ? nil : try flavour(for: plan)
    guard let chosen else {
      try remove(ruleSet.owner.filterTag, ruleSet.role, known: old?.rules)
      return try add(ruleSet)
    }
    let tables = tables(chosen)
    let passing = try Plan.of(ruleSet.onlyPassages, families: IPFamily.ofKernel)
    let whole = plan.joined(with: passing.limited(to: try tables.forwarding(passing.tables)))
    try replace(with: whole, ruleSet, tables)
    for flavour in flavours where flavour != chosen {
      let tables = self.tables(flavour)
      try remove(ruleSet.owner.filterTag, ruleSet.role, known: old?.rules, tables)
      let passing = passing.limited(to: try tables.forwarding(passing.tables))
      if !passing.pieces.isEmpty { try make(passing, ruleSet, tables) }
    }
  }

  private func replace(with plan: Plan, _ ruleSet: RuleSet, _ tables: Tables) throws(KernelError) {
    let mark = Layout.mark(plan.tag, plan.role)
    let present = try tables.present(TableName.all)
    let names = TableName.all.filter { present.contains($0) || plan.pieces[$0] != nil }
    let guardFirst = names.filter { $0 == .loopbackGuard } + names.filter { $0 != .loopbackGuard }
    try tables.change(guardFirst) { (table) throws(KernelError) in
      try table.remove(mark: mark)
      try make(plan, in: &table, for: ruleSet)
    }
  }
}

extension IptablesBackend {
  /// Names the host's rules and policies that certainly drop connections which the rule set's rules are for.
  public mutating func drops(for ruleSet: RuleSet) throws(KernelError) -> [String] {
    try legacyDrops(ruleSet.onlyPassages) + Self.drops(ruleSet.forwardedConnections, withOpened: true)
  }

  /// As `drops(for:)`, but without the chains in which ADD accepts a network: FORWARD of `iptables`, and firewalld's.
  public func dropsByOtherTables(_ connections: [ForwardedConnection]) throws(KernelError) -> [String] {
    try Self.drops(connections, withOpened: false)
  }

  private static func drops(
    _ connections: [ForwardedConnection], withOpened: Bool
  ) throws(KernelError) -> [String] {
    guard !connections.isEmpty else { return [] }
    var chains: ForwardChains
    do throws(KernelError) { chains = try ForwardChains(withOpened: withOpened) } catch {
      return []  // a kernel without nf_tables has none of its chains
    }
    guard !chains.baseChains.isEmpty else { return [] }
    var drops: [String] = []
    for connection in connections {
      if let drop = try chains.drop(of: connection) { drops.append("\(connection) are dropped by the host: \(drop)") }
    }
    return drops
  }

  /// Names the legacy tables whose FORWARD has policy DROP and lacks our passages.
  private func legacyDrops(_ ruleSet: RuleSet) throws(KernelError) -> [String] {
    guard onlyFlavour != .nftables else { return [] }
    let tables = tables(.legacy)
    let missing = try tables.missing(from: ruleSet)
    guard !missing.isEmpty else { return [] }
    var drops: [String] = []
    for name in try tables.forwarding(TableName.all.filter { $0.kind == .filter }) {
      guard missing.contains(where: { $0.needs(name) }), try tables.take(name).policy(of: "FORWARD") == "DROP" else {
        continue
      }
      drops.append(
        "IPv\(name.family.digit) packets are dropped by the host: legacy table filter, chain FORWARD, policy DROP"
      )
    }
    return drops
  }
}
