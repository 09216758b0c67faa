import Kernel
import Linux
import NetTypes

/// Detects which tables the host's `iptables` shows: legacy or nf_tables.
extension Tables {
  /// The flavour for new rules of the backend `iptables`.
  ///
  /// Legacy if the host has legacy rules; else nf_tables if the host has rules there; else legacy if legacy tables are in
  /// use already; else the flavour of the host's `iptables` command.
  static func flavourOfHost() throws(KernelError) -> Flavour {
    if try isUsed(.legacy) { return .legacy }
    if try isUsed(.nftables) { return .nftables }
    if try !Tables(.legacy).present(TableName.all).isEmpty { return .legacy }
    guard canUseNftables else { return .legacy }
    return try commandWritesNftables() || !canUseLegacy ? .nftables : .legacy
  }

  static var canUseNftables: Bool {
    do throws(KernelError) {
      _ = try NftTable(TableName(.filter, .v4))
      return true
    } catch { return false }
  }

  private static var canUseLegacy: Bool {
    do throws(KernelError) {
      _ = try Table.take(TableName(.filter, .v4))
      return true
    } catch { return false }
  }

  /// Whether tables of that flavour hold rules that are not ours; `false` if the kernel does not have that flavour.
  static func isUsed(_ flavour: Flavour) throws(KernelError) -> Bool {
    switch flavour {
    case .legacy:
      for name in try Tables(.legacy).present(TableName.all) {
        let table = try Table.take(name)
        if table.isUsedByOthers { return true }
      }
      return false
    case .nftables:
      do throws(KernelError) {
        for name in TableName.all where try NftTable(name).isUsedByOthers { return true }
      } catch {}
      return false
    }
  }

  /// The tables among `names` whose chain FORWARD the host uses, not only our rules.
  func forwarding(_ names: [TableName]) throws(KernelError) -> [TableName] {
    var found: [TableName] = []
    for name in try present(names) {
      let isHosts = flavour == .nftables ? try NftTable(name).isForwardOfHost : try Table.take(name).isForwardUsed
      if isHosts { found.append(name) }
    }
    return found
  }

  /// Whether the host's `iptables` command is the one for nf_tables, found by its symbolic links.
  private static func commandWritesNftables() throws(KernelError) -> Bool {
    guard var path = ["/usr/sbin/iptables", "/sbin/iptables", "/usr/bin/iptables"].first(where: Files.exists) else {
      return false
    }
    for _ in 0..<8 {
      guard let target = try Files.linkTarget(path) else { break }
      if target.contains("nft") { return true }
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
  var isUsedByOthers: Bool {
    chains.contains { chain in
      guard Self.builtIn.contains(chain) else { return !Layout.isOurs(chain) }
      return policy(of: chain) == "DROP" || firstIndex(in: chain) { !Layout.isOurs($0.target) } != nil
    }
  }
}
