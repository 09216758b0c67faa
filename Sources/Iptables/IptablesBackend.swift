import CNI
public import Kernel
import NetTypes
public import PacketFilter

/// The legacy tables of IPv4 and IPv6, changed by libiptc; no process is started.
///
/// A table is taken whole, changed and committed under the lock of the `iptables` command; where rules stand is told in
/// `Layout`. Once touched, a table stays registered in its network namespace, with empty chains.
public struct IptablesBackend: FilterBackend {
  var tables = Tables()

  public init() {}

  /// - Throws: EEXIST where a port is published already or a bridge isolated differently, EAGAIN where another holds
  ///   the lock for too long, EINVAL for an unknown condition, EOPNOTSUPP for what only nftables can do.
  public mutating func add(_ claim: Claim) throws(KernelError) {
    let plan = try Plan.of(claim, families: Tables.families)
    let ports = claim.rules.ports
    try Self.checkConflicts(among: ports)
    let mark = Layout.mark(plan.tag, plan.part)
    try tables.change(plan.tables) { (table) throws(KernelError) in
      let name = table.name
      if name.kind == .nat {
        try table.checkConflicts(with: ports.filter { $0.family == name.family }, of: claim.owner)
      }
      for piece in plan.pieces[name] ?? [] { try table.make(piece, mark: mark) }
    }
  }

  public mutating func remove(_ tag: String, _ part: Part, known: [Rule]?) throws(KernelError) {
    let needed = known.map { rules in TableName.all.filter { name in rules.contains { $0.needs(name) } } }
    let own = needed ?? TableName.all
    let mayBeLast = known?.ports.contains { $0.family == .v4 } ?? true
    let mark = Layout.mark(tag, part)
    var isGuardUnwanted = false
    try tables.change(try Tables.present(TableName.all.filter { own.contains($0) || $0 == .loopbackGuard })) {
      (name) in
      own.contains(name) || isGuardUnwanted
    } _: { (table) throws(KernelError) in
      if own.contains(table.name) { try table.remove(mark: mark) }
      if table.name == TableName(.nat, .v4) { isGuardUnwanted = mayBeLast && !table.hasPublishedPorts }
      if table.name == .loopbackGuard, isGuardUnwanted { try table.removeLoopbackGuard() }
    }
  }

  public mutating func missing(from claim: Claim) throws(KernelError) -> [Rule] {
    var plans: [(Rule, Plan)] = []
    for rule in claim.rules {
      var one = claim
      one.rules = [rule]
      plans.append((rule, try Plan.of(one, families: Tables.families)))
    }
    let names = TableName.all.filter { name in plans.contains { $0.1.pieces[name] != nil } }
    var contents: [TableName: TableContents] = [:]
    for name in try Tables.present(names) {
      let table = try Table.take(name)
      contents[name] = TableContents(table, for: plans.flatMap { $0.1.pieces[name] ?? [] })
    }
    return plans.filter { _, plan in
      plan.pieces.contains { name, pieces in
        guard let there = contents[name] else { return true }
        return pieces.contains { !there.has($0) }
      }
    }.map(\.0)
  }

  public mutating func tags(_ part: Part, prefix: String) throws(KernelError) -> Set<String> {
    var tags: Set<String> = []
    for name in try Tables.present(TableName.all) {
      let table = try Table.take(name)
      for chain in table.chainsWithOwners {
        for comment in table.rules(in: chain).compactMap(\.comment) where comment.hasPrefix(prefix) {
          if let tag = Table.tag(comment, part) { tags.insert(tag) }
        }
      }
    }
    return tags
  }

  public mutating func holders(of ports: [PublishedPort]?) throws(KernelError) -> [PortHolder] {
    let families = ports.map { Set($0.map(\.family)) } ?? Set(IPFamily.allCases)
    var holders: [PortHolder] = []
    for name in try Tables.present(IPFamily.allCases.filter(families.contains).map { TableName(.nat, $0) }) {
      let table = try Table.take(name)
      holders += table.holders(of: ports)
    }
    return holders
  }

  public mutating func probe() throws(KernelError) {
    for family in Tables.families {
      _ = try Libiptc.load(family)
      let table = TableName(.filter, family)
      // One that is in use need not be taken, which costs more the more rules it has.
      guard try Tables.present([table]).isEmpty else { continue }
      do throws(KernelError) {
        _ = try Table.take(table)
      } catch {
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
        throw KernelError("publish \(port)", errno: 17, reason: "the same container wants \(other) too")
      }
      earlier.insert(port)
    }
  }
}
