import Kernel
import Linux
import NetTypes

/// Which tables the host's `iptables` shows: legacy or nf_tables.
extension Tables {
  /// What new rules of the backend `iptables` go to.
  ///
  /// Legacy tables where the host has rules there, else nf_tables where it has some there, else legacy tables where they
  /// were looked at already, else those that the host's `iptables` writes.
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

  /// Whether tables of that flavour hold something that is not ours; where that cannot be asked, there is nothing.
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

  /// Those of `names` whose chain FORWARD is the host's: not there for our rules alone.
  func forwarding(_ names: [TableName]) throws(KernelError) -> [TableName] {
    var found: [TableName] = []
    for name in try present(names) {
      let isHosts = flavour == .nftables ? try NftTable(name).isForwardOfHost : try Table.take(name).isForwardUsed
      if isHosts { found.append(name) }
    }
    return found
  }

  /// Whether the host's command is the one for nf_tables, by where its name leads.
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

  /// Whether there is something that is not ours.
  var isUsedByOthers: Bool {
    chains.contains { chain in
      guard Self.builtIn.contains(chain) else { return !Layout.isOurs(chain) }
      return policy(of: chain) == "DROP" || firstIndex(in: chain) { !Layout.isOurs($0.target) } != nil
    }
  }
}
