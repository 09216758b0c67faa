import CNI
import Kernel
public import NetTypes
public import PacketFilter

/// Rules in the tables that the `iptables` command shows: legacy ones by libiptc, those of nf_tables by netlink.
///
/// A table is read whole, changed and committed under the lock of the `iptables` command; `Layout` describes the chains.
/// After its first use, a legacy table stays registered in its network namespace, with empty chains.
///
/// Passages (`Rule.pass`) are added to each variant in which the host has a chain FORWARD, other rules to one variant
/// only.
public final class IptablesBackend: FilterBackend {
  var tables = Tables()
  /// The only variant to use; `nil`: the one that the host uses.
  var onlyVariant: Variant?

  public init() {}

  /// - Throws: EEXIST if a port is published already or a bridge is isolated differently, EAGAIN if another process holds the
  ///   lock for too long, EINVAL for an unknown condition, EOPNOTSUPP for a rule that only nftables supports.
  public func add(_ ruleSet: RuleSet) throws(KernelError) {
    let plans = try plans(for: ruleSet)
    var done: [Variant] = []
    do throws(KernelError) {
      for (variant, plan) in plans {
        try make(plan, ruleSet, tables(variant))
        done.append(variant)
      }
    } catch {
      // The first error is the one to report.
      for variant in done {
        try? remove(ruleSet.owner.filterTag, ruleSet.role, recordedRules: ruleSet.rules, tables(variant))
      }
      throw error
    }
  }

  /// What the rule set needs in legacy tables and in those of nf_tables.
  private func plans(for ruleSet: RuleSet) throws(KernelError) -> [(Variant, TablePlan)] {
    let plan = try TablePlan.of(ruleSet.withoutPassages, families: IPFamily.ofKernel)
    let passages = try TablePlan.of(ruleSet.onlyPassages, families: IPFamily.ofKernel)
    try Self.checkConflicts(among: ruleSet.rules.ports)
    let chosen = ruleSet.withoutPassages.rules.isEmpty ? nil : try variant(for: plan)
    var plans: [(Variant, TablePlan)] = []
    for variant in variants {
      let passagePlan = passages.limited(to: try tables(variant).forwarding(passages.tables))
      let whole = variant == chosen ? plan.joined(with: passagePlan) : passagePlan
      if !whole.items.isEmpty { plans.append((variant, whole)) }
    }
    return plans
  }

  /// Lines of the `iptables` command for what `add` makes; a table that is missing is not made to look at it.
  public func commands(adding ruleSet: RuleSet) throws(KernelError) -> [String] {
    var lines: [String] = []
    for (variant, plan) in try plans(for: ruleSet) {
      let tables = tables(variant)
      let shown = if let onlyVariant { onlyVariant } else { try Tables.hostVariant() }
      let present = try tables.present(plan.tables)
      for name in plan.tables {
        let table: Table? = if present.contains(name) { try tables.read(name) } else { nil }
        var writer = RuleCommands(name, variant == shown ? nil : variant, table)
        for item in plan.items[name] ?? [] { writer.make(item) }
        lines += writer.lines
      }
    }
    return lines
  }

  func make(_ plan: TablePlan, _ ruleSet: RuleSet, _ tables: Tables) throws(KernelError) {
    try tables.change(plan.tables) { (table) throws(KernelError) in try make(plan, in: &table, for: ruleSet) }
  }

  func make(_ plan: TablePlan, in table: inout Table, for ruleSet: RuleSet) throws(KernelError) {
    let name = table.name, ownerComment = Layout.ownerComment(plan.tag, plan.role)
    if name.kind == .nat {
      try table.checkConflicts(with: ruleSet.rules.ports.filter { $0.family == name.family }, of: ruleSet.owner)
    }
    for item in plan.items[name] ?? [] { try table.make(item, ownerComment: ownerComment) }
  }

  var variants: [Variant] { onlyVariant.map { [$0] } ?? Variant.allCases }

  func tables(_ variant: Variant) -> Tables {
    var tables = tables
    tables.variant = variant
    return tables
  }

  /// The host's variant; the other one if only that has the host's chains that the plan jumps to.
  func variant(for plan: TablePlan) throws(KernelError) -> Variant {
    if let onlyVariant { return onlyVariant }
    let chosen = try Tables.hostVariant()
    let other: Variant = chosen == .legacy ? .nftables : .legacy
    guard try !tables(chosen).hasChains(of: plan), try tables(other).hasChains(of: plan) else { return chosen }
    return other
  }

  public func remove(_ tag: String, _ role: PluginRole, recordedRules: [Rule]?) throws(KernelError) {
    for variant in variants { try remove(tag, role, recordedRules: recordedRules, tables(variant)) }
  }

  func remove(_ tag: String, _ role: PluginRole, recordedRules: [Rule]?, _ tables: Tables) throws(KernelError) {
    let needed = recordedRules.map { rules in TableName.all.filter { name in rules.contains { $0.needs(name) } } }
    let own = needed ?? TableName.all
    let mayBeLast = recordedRules?.ports.contains { $0.family == .v4 } ?? true
    let ownerComment = Layout.ownerComment(tag, role)
    var isGuardUnwanted = false
    try tables.change(try tables.present(TableName.all.filter { own.contains($0) || $0 == .loopbackGuard })) {
      (name) in
      own.contains(name) || isGuardUnwanted
    } _: { (table) throws(KernelError) in
      if own.contains(table.name) { try table.remove(ownerComment: ownerComment) }
      if table.name == TableName(.nat, .v4) { isGuardUnwanted = mayBeLast && !table.hasPublishedPorts }
      if table.name == .loopbackGuard, isGuardUnwanted { try table.removeLoopbackGuard() }
    }
  }

  public func missing(from ruleSet: RuleSet) throws(KernelError) -> [Rule] {
    var missing: [Rule]?
    var passages: [Rule] = []
    for variant in variants {
      let tables = tables(variant)
      let missingHere = try tables.missing(from: ruleSet.withoutPassages)
      missing = missing.map { $0.filter(missingHere.contains) } ?? missingHere
      let forwarding = try tables.forwarding(TableName.all.filter { $0.kind == .filter })
      passages += try tables.missing(from: ruleSet.onlyPassages).filter { rule in forwarding.contains(where: rule.needs)
      }
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

  public func tags(_ role: PluginRole, prefix: String) throws(KernelError) -> Set<String> {
    var tags: Set<String> = []
    for tables in variants.map(tables) {
      for name in try tables.present(TableName.all) {
        let table = try tables.read(name)
        for chain in table.chainsWithOwners {
          for comment in table.rules(in: chain).compactMap({ $0.comment }) where comment.hasPrefix(prefix) {
            if let tag = Table.tag(comment, role) { tags.insert(tag) }
          }
        }
      }
    }
    return tags
  }

  public func holders(of ports: [PublishedPort]?) throws(KernelError) -> [PortHolder] {
    let families = ports.map { Set($0.map { $0.family }) } ?? Set(IPFamily.allCases)
    var holders: [PortHolder] = []
    for tables in variants.map(tables) {
      for name in try tables.present(IPFamily.allCases.filter(families.contains).map { TableName(.nat, $0) }) {
        let table = try tables.read(name)
        holders += table.holders(of: ports)
      }
    }
    return holders
  }

  public func probe() throws(KernelError) {
    if onlyVariant == nil, try Tables.hostVariant() == .nftables { return }
    for family in IPFamily.ofKernel {
      _ = try Libiptc.load(family)
      let table = TableName(.filter, family)
      // A table in use need not be read: that costs more the more rules it has.
      guard try Tables(.legacy).present([table]).isEmpty else { continue }
      do throws(KernelError) {
        _ = try Table.read(table)
      } catch {
        if onlyVariant == nil, Tables.canUseNftables { return }
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
        throw KernelError("publish \(port)", errno: .EEXIST, reason: "the same container also publishes \(other)")
      }
      earlier.insert(port)
    }
  }
}

extension IptablesBackend {
  public func change(_ old: RuleSet, to ruleSet: RuleSet) throws(KernelError) {
    throw KernelError(
      "change rules of \(ruleSet.owner.filterTag)", errno: .EOPNOTSUPP, reason: "a table is committed as a whole")
  }

  /// Replaces the rules table by table, each table in one commit; the table with the loopback guard is the first one.
  public func replace(_ old: RuleSet?, with ruleSet: RuleSet) throws(KernelError) {
    let plan = try TablePlan.of(ruleSet.withoutPassages, families: IPFamily.ofKernel)
    let chosen = ruleSet.withoutPassages.rules.isEmpty ? nil : try variant(for: plan)
    guard let chosen else {
      try remove(ruleSet.owner.filterTag, ruleSet.role, recordedRules: old?.rules)
      return try add(ruleSet)
    }
    let tables = tables(chosen)
    let passagePlan = try TablePlan.of(ruleSet.onlyPassages, families: IPFamily.ofKernel)
    let whole = plan.joined(with: passagePlan.limited(to: try tables.forwarding(passagePlan.tables)))
    try replace(with: whole, ruleSet, tables)
    for variant in variants where variant != chosen {
      let tables = self.tables(variant)
      try remove(ruleSet.owner.filterTag, ruleSet.role, recordedRules: old?.rules, tables)
      let passagePlan = passagePlan.limited(to: try tables.forwarding(passagePlan.tables))
      if !passagePlan.items.isEmpty { try make(passagePlan, ruleSet, tables) }
    }
  }

  private func replace(with plan: TablePlan, _ ruleSet: RuleSet, _ tables: Tables) throws(KernelError) {
    let ownerComment = Layout.ownerComment(plan.tag, plan.role)
    let present = try tables.present(TableName.all)
    let names = TableName.all.filter { present.contains($0) || plan.items[$0] != nil }
    let guardFirst = names.filter { $0 == .loopbackGuard } + names.filter { $0 != .loopbackGuard }
    try tables.change(guardFirst) { (table) throws(KernelError) in
      try table.remove(ownerComment: ownerComment)
      try make(plan, in: &table, for: ruleSet)
    }
  }
}

extension IptablesBackend {
  /// Names the host's rules and policies that certainly drop connections which the rule set's rules are for.
  public func drops(for ruleSet: RuleSet) throws(KernelError) -> [String] {
    try legacyDrops(ruleSet.onlyPassages) + Self.drops(ruleSet.forwardedConnections, includingOpenedByADD: true)
  }

  /// As `drops(for:)`, but without the chains in which ADD accepts a network: FORWARD of `iptables`, and firewalld's.
  public func dropsByOtherTables(_ connections: [ForwardedConnection]) throws(KernelError) -> [String] {
    try Self.drops(connections, includingOpenedByADD: false)
  }

  private static func drops(
    _ connections: [ForwardedConnection], includingOpenedByADD: Bool
  ) throws(KernelError) -> [String] {
    guard !connections.isEmpty else { return [] }
    var chains: ForwardChains
    do throws(KernelError) { chains = try ForwardChains(includingOpenedByADD: includingOpenedByADD) } catch {
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
    guard onlyVariant != .nftables else { return [] }
    let tables = tables(.legacy)
    let missing = try tables.missing(from: ruleSet)
    guard !missing.isEmpty else { return [] }
    var drops: [String] = []
    for name in try tables.forwarding(TableName.all.filter { $0.kind == .filter }) {
      guard missing.contains(where: { $0.needs(name) }), try tables.read(name).policy(of: "FORWARD") == "DROP" else {
        continue
      }
      drops.append(
        "IPv\(name.family.digit) packets are dropped by the host: legacy table filter, chain FORWARD, policy DROP"
      )
    }
    return drops
  }
}
