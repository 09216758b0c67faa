import Glibc
import Kernel
import Linux
public import NetTypes

/// The host's tables of one flavour: changed under the lock of the `iptables` command, all or none of them.
struct Tables {
  var flavour: Flavour
  /// Called before each commit; tests inject errors with it.
  var beforeCommit: (TableName) throws(KernelError) -> Void = { (_) throws(KernelError) in }

  /// The lock file of the `iptables` command (`iptables/xshared.h`).
  var lockFile = Environment["XTABLES_LOCKFILE"] ?? "/run/xtables.lock"
  /// The time limit for the lock.
  var lockSeconds = Environment["CNI_XTABLES_WAIT"].flatMap { Int($0) } ?? 30

  /// How often a change is retried if another process changed the table without taking the lock.
  private var attempts: Int { flavour == .legacy ? 10 : 100 }

  init(_ flavour: Flavour = .legacy) { self.flavour = flavour }

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
          _ = try change(name) { (table) throws(KernelError) in try table.takeBack(edits) }
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
      var table = try take(name)
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

  func take(_ name: TableName) throws(KernelError) -> Table { try Table.take(name, flavour) }

  /// The tables among `names` that exist; does not access others, since the kernel creates a legacy table on access.
  func present(_ names: [TableName]) throws(KernelError) -> [TableName] {
    switch flavour {
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
