import NetTypes
import Netfilter

/// A table that another program made.
struct ForeignTable: Equatable {
  /// `NFPROTO_*`.
  var family: UInt8
  var name: String

  static func ip(_ family: IPFamily, _ name: String) -> ForeignTable {
    ForeignTable(family: family == .v4 ? 2 : 10, name: name)
  }
}

struct ForeignChain: Equatable {
  var table: ForeignTable
  var name: String
}

/// The parts of another program's rule that say which attachment it belongs to and what it does.
struct ForeignRule: Equatable {
  var chain: ForeignChain
  var handle: UInt64
  /// The nftables comment, or that of an `iptables` match; empty if the rule has no comment.
  var comment = ""
  /// The chain that the rule jumps to.
  var jump: String?
  var accepts = false
  /// The whole address that a packet comes from.
  var source: IPAddress?
  /// The whole address that a packet is sent to.
  var destination: IPAddress?
  /// The port that a packet is sent to.
  var port: UInt16?
  /// The bytes that the rule loads for, or passes to, an address translation.
  var translation: [UInt8] = []

  /// Whether the rule translates a destination to that address (and port).
  func translates(to address: IPAddress, _ port: UInt16? = nil) -> Bool {
    let port = port.map { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] } ?? []
    return translation.contains(address.bytes) && translation.contains(port)
  }
}

/// Netlink messages that list and change tables of other programs.
enum ForeignMessages {
  static func chain(_ chain: ForeignChain) -> NftMessage {
    message(.getChain, NftMessage.Flags.acknowledge, chain.table) { $0.put(.chainName, chain.name) }
  }

  static func rules(of chain: ForeignChain) -> NftMessage {
    message(.getRule, NftMessage.Flags.dump, chain.table) { $0.put(.ruleChain, chain.name) }
  }

  static func delete(_ rule: ForeignRule) -> NftMessage {
    message(.deleteRule, 0, rule.chain.table) {
      $0.put(.ruleChain, rule.chain.name)
      $0.put(.ruleHandle, handle: rule.handle)
    }
  }

  /// Deletes all rules of the chain.
  static func flush(_ chain: ForeignChain) -> NftMessage {
    message(.deleteRule, 0, chain.table) { $0.put(.ruleChain, chain.name) }
  }

  static func delete(_ chain: ForeignChain) -> NftMessage {
    message(.deleteChain, 0, chain.table) { $0.put(.chainName, chain.name) }
  }

  private static func message(
    _ kind: NftMessage.Kind, _ flags: UInt16, _ table: ForeignTable, _ fill: (inout NftAttributes) -> Void
  ) -> NftMessage {
    var attributes = NftAttributes()
    attributes.put(.tableName, table.name)
    fill(&attributes)
    return NftMessage(kind: kind, flags: flags, family: table.family, attributes: attributes)
  }
}

extension [UInt8] {
  /// Whether the array contains these bytes.
  fileprivate func contains(_ part: [UInt8]) -> Bool {
    part.isEmpty || indices.contains { self[$0...].starts(with: part) }
  }
}
