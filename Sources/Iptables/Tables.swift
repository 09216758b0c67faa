import Glibc
import Kernel
import Linux
public import NetTypes
import PacketFilter

/// The host's tables of one variant: changed under the lock of the `iptables` command, all or none of them.
struct Tables {
  var variant: Variant
  /// Called before each commit; tests inject errors with it.
  var beforeCommit: (TableName) throws(KernelError) -> Void = { (_) throws(KernelError) in }

  /// The lock file of the `iptables` command (`iptables/xshared.h`).
  var lockFile = Environment["XTABLES_LOCKFILE"] ?? StatePaths.iptablesLock
  /// The time limit for the lock.
  var lockSeconds = Environment["CNI_XTABLES_WAIT"].flatMap { Int($0) } ?? 30

  /// How often a change is retried if another process changed the table without taking the lock.
  private var attempts: Int { variant == .legacy ? 10 : 100 }

  init(_ variant: Variant = .legacy) { self.variant = variant }

  /// Changes each of `names`, in that order; rolls back committed changes if a later one fails.
  ///
  /// - Parameters:
  ///   - names: the tables, without duplicates.
  ///   - isWanted: called after the previous tables are changed; a table for which it returns `false` is not read.
  ///   - edit: called again if another process changed the table in the meantime.
  /// - Throws: EAGAIN if another process held the lock for too long; the error of `edit` or of the kernel.
  func change(
    _ names: [TableName], where isWanted: (TableName) -> Bool = { _ in true },
    _ edit: (inout Table) throws(KernelError) -> Void
  ) throws(KernelError) {
    guard !names.isEmpty else { return }
    let lock = try lock()
    var done: [(TableName, [TableEdit])] = []
    do throws(KernelError) {
      for name in names where isWanted(name) { done.append((name, try change(name, edit))) }
    } catch {
      for (name, edits) in done.reversed() {
        do throws(KernelError) {
          _ = try change(name) { (table) throws(KernelError) in try table.rollBack(edits) }
        } catch let second {
          throw KernelError(
            error.operation, errno: error.errno, reason: "\(error.reason); then \(second)",
            kernelMessage: error.kernelMessage)
        }
      }
      throw error
    }
    _ = consume lock
  }

  private func change(
    _ name: TableName, _ edit: (inout Table) throws(KernelError) -> Void
  ) throws(KernelError) -> [TableEdit] {
    for attempt in 1... {
      var table = try read(name)
      try edit(&table)
      guard !table.edits.isEmpty else { return [] }
      do throws(KernelError) {
        try beforeCommit(name)
        try table.commit()
        return table.edits
      } catch {
        guard error.errno == .EAGAIN, attempt < attempts else { throw error }
      }
    }
    return []
  }

  func read(_ name: TableName) throws(KernelError) -> Table { try Table.read(name, variant) }

  /// The tables among `names` that exist; does not access others, since the kernel creates a legacy table on access.
  func present(_ names: [TableName]) throws(KernelError) -> [TableName] {
    switch variant {
    case .legacy: try Self.presentLegacy(names)
    case .nftables: try Self.presentInNftables(names)
    }
  }

  private static func presentLegacy(_ names: [TableName]) throws(KernelError) -> [TableName] {
    var present: [TableName] = []
    for family in IPFamily.allCases {
      let list = "/proc/thread-self/net/ip\(family == .v4 ? "" : "6")_tables_names"
      let kinds = try Files.readIfPresent(list).map { String(decoding: $0, as: UTF8.self).split(separator: "\n") } ?? []
      present += names.filter { name in name.family == family && kinds.contains { $0 == name.kind.rawValue } }
    }
    return names.filter(present.contains)
  }

  private static func presentInNftables(_ names: [TableName]) throws(KernelError) -> [TableName] {
    let socket = try NftSocket.open()
    var present: [TableName] = []
    for name in names where try NftTable.table(name, socket) != nil { present.append(name) }
    return present
  }

  private func lock() throws(KernelError) -> FileLock {
    let seconds = max(0, min(lockSeconds, 3600))
    return try FileLock(
      .openLock(lockFile, followingLinks: true), seconds: seconds,
      doing: "lock \(lockFile) within \(seconds) s")
  }
}

extension IPFamily {
  /// The families that the kernel supports: a host may run without IPv6 (`ipv6.disable=1`).
  public static var ofKernel: [IPFamily] { Files.exists("/proc/sys/net/ipv6/conf/all") ? allCases : [.v4] }
}

extension Tables {
  /// The rule set's rules that are not in these tables as they were added.
  func missing(from ruleSet: RuleSet) throws(KernelError) -> [Rule] {
    guard !ruleSet.rules.isEmpty else { return [] }
    var plans: [(Rule, TablePlan)] = []
    for rule in ruleSet.rules {
      var one = ruleSet
      one.rules = [rule]
      plans.append((rule, try TablePlan.of(one, families: IPFamily.ofKernel)))
    }
    let names = TableName.all.filter { name in plans.contains { $0.1.items[name] != nil } }
    var contents: [TableName: TableContents] = [:]
    for name in try present(names) {
      let table = try read(name)
      contents[name] = TableContents(table, for: plans.flatMap { $0.1.items[name] ?? [] })
    }
    return plans.filter { _, plan in
      plan.items.contains { name, items in
        guard let content = contents[name] else { return true }
        return items.contains { !content.has($0) }
      }
    }.map { $0.0 }
  }

  /// Whether these tables have the host's own chains that the plan jumps to; false if it jumps to none.
  func hasChains(of plan: TablePlan) throws(KernelError) -> Bool {
    let needed = plan.items.mapValues { $0.compactMap { $0.foreignChain } }.filter { !$0.value.isEmpty }
    guard !needed.isEmpty else { return false }
    for name in try present(Array(needed.keys)) {
      let table = try read(name)
      let chains = Set(table.chains)
      if needed[name]?.contains(where: chains.contains) == true { return true }
    }
    return false
  }
}

extension PlanItem {
  /// The host's own chain that this rule needs.
  fileprivate var foreignChain: String? {
    switch self {
    case .existing(let chain): chain
    case .foreign(let foreign): foreign.chain
    case .chain, .filled, .shared, .owned: nil
    }
  }
}

/// Detects which tables the host's `iptables` shows: legacy or nf_tables.
extension Tables {
  /// The variant for new rules of the backend `iptables`.
  ///
  /// Legacy if the host has legacy rules; else nf_tables if the host has rules there; else legacy if legacy tables are in
  /// use already; else the variant of the host's `iptables` command.
  static func hostVariant() throws(KernelError) -> Variant {
    if try isUsed(.legacy) { return .legacy }
    if try isUsed(.nftables) { return .nftables }
    if try !Tables(.legacy).present(TableName.all).isEmpty { return .legacy }
    guard canUseNftables else { return .legacy }
    if try commandWritesNftables() { return .nftables }
    return try canUseLegacy() ? .legacy : .nftables
  }

  static var canUseNftables: Bool {
    do throws(KernelError) {
      _ = try NftTable(TableName(.filter, .v4))
      return true
    } catch { return false }
  }

  /// - Throws: if this executable cannot load libiptc.
  private static func canUseLegacy() throws(KernelError) -> Bool {
    do throws(KernelError) {
      _ = try Table.read(TableName(.filter, .v4))
      return true
    } catch {
      if SharedLibrary.wasNeeded { throw error }
      return false
    }
  }

  /// Whether tables of that variant hold rules that are not ours; `false` if the kernel does not have that variant.
  static func isUsed(_ variant: Variant) throws(KernelError) -> Bool {
    switch variant {
    case .legacy:
      for name in try Tables(.legacy).present(TableName.all) {
        let table = try Table.read(name)
        if table.isUsedByOtherPrograms { return true }
      }
      return false
    case .nftables:
      do throws(KernelError) {
        for name in TableName.all where try NftTable(name).isUsedByOtherPrograms { return true }
      } catch {}
      return false
    }
  }

  /// The tables among `names` whose chain FORWARD the host uses, not only our rules.
  func forwarding(_ names: [TableName]) throws(KernelError) -> [TableName] {
    var result: [TableName] = []
    for name in try present(names) {
      let isHosts = variant == .nftables ? try NftTable(name).isForwardOfHost : try Table.read(name).isForwardUsed
      if isHosts { result.append(name) }
    }
    return result
  }

  /// Whether the host's `iptables` command is the one for nf_tables, found by its symbolic links.
  private static func commandWritesNftables() throws(KernelError) -> Bool {
    guard var path = ["/usr/sbin/iptables", "/sbin/iptables", "/usr/bin/iptables"].first(where: Files.exists) else {
      return false
    }
    for _ in 0..<8 {
      guard let target = try Files.linkTarget(path) else { break }
      if target.containsText("nft") { return true }
      path = target.hasPrefix("/") ? target : "/usr/sbin/\(target)"
    }
    return false
  }
}

extension Table {
  private static let builtIn = ["INPUT", "FORWARD", "OUTPUT", "PREROUTING", "POSTROUTING"]

  /// Whether FORWARD has the policy DROP, or rules of another program.
  fileprivate var isForwardUsed: Bool {
    policy(of: "FORWARD") == "DROP" || firstIndex(in: "FORWARD") { !Layout.isOurs($0.target) } != nil
  }

  /// Whether the table holds chains or rules that are not ours.
  var isUsedByOtherPrograms: Bool {
    chains.contains { chain in
      guard Self.builtIn.contains(chain) else { return !Layout.isOurs(chain) }
      return policy(of: chain) == "DROP" || firstIndex(in: chain) { !Layout.isOurs($0.target) } != nil
    }
  }
}
