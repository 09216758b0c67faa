import CNftables
import NetTypes

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
  static func chain(_ chain: ForeignChain) -> [UInt8] {
    message(
      NFT_MSG_GETCHAIN, UInt16(NLM_F_ACK), chain.table,
      RulesetMessages.text(NFTA_CHAIN_TABLE, chain.table.name) + RulesetMessages.text(NFTA_CHAIN_NAME, chain.name))
  }

  static func rules(of chain: ForeignChain) -> [UInt8] {
    message(NFT_MSG_GETRULE, UInt16(NLM_F_DUMP), chain.table, attributesNaming(chain))
  }

  static func delete(_ rule: ForeignRule) -> [UInt8] {
    let handle = RulesetMessages.attribute(NFTA_RULE_HANDLE, number(rule.handle.bigEndian))
    return message(NFT_MSG_DELRULE, UInt16(NLM_F_ACK), rule.chain.table, attributesNaming(rule.chain) + handle)
  }

  /// Deletes all rules of the chain.
  static func flush(_ chain: ForeignChain) -> [UInt8] {
    message(NFT_MSG_DELRULE, UInt16(NLM_F_ACK), chain.table, attributesNaming(chain))
  }

  static func delete(_ chain: ForeignChain) -> [UInt8] {
    message(
      NFT_MSG_DELCHAIN, UInt16(NLM_F_ACK), chain.table,
      RulesetMessages.text(NFTA_CHAIN_TABLE, chain.table.name) + RulesetMessages.text(NFTA_CHAIN_NAME, chain.name))
  }

  /// Wraps the changes into one transaction.
  static func transaction(_ changes: [[UInt8]]) -> [UInt8] {
    // NFNL_MSG_BATCH_BEGIN and NFNL_MSG_BATCH_END, which Swift does not import.
    bound(16) + changes.flatMap(\.self) + bound(17)
  }

  private static func attributesNaming(_ chain: ForeignChain) -> [UInt8] {
    RulesetMessages.text(NFTA_RULE_TABLE, chain.table.name) + RulesetMessages.text(NFTA_RULE_CHAIN, chain.name)
  }

  private static func bound(_ type: UInt16) -> [UInt8] {
    framed(type, 0, [0, UInt8(NFNETLINK_V0)] + number(UInt16(NFNL_SUBSYS_NFTABLES).bigEndian))
  }

  private static func message(
    _ type: nf_tables_msg_types, _ flags: UInt16, _ table: ForeignTable, _ attributes: [UInt8]
  ) -> [UInt8] {
    framed(
      RulesetMessages.subsystem | UInt16(type.rawValue), flags,
      [table.family, UInt8(NFNETLINK_V0), 0, 0] + attributes)
  }

  private static func framed(_ type: UInt16, _ flags: UInt16, _ body: [UInt8]) -> [UInt8] {
    number(UInt32(RulesetMessages.headerSize + body.count)) + number(type) + number(UInt16(NLM_F_REQUEST) | flags)
      + number(UInt32(1)) + number(UInt32(0)) + body
  }
}

extension [UInt8] {
  /// Whether the array contains these bytes.
  fileprivate func contains(_ part: [UInt8]) -> Bool {
    part.isEmpty || indices.contains { self[$0...].starts(with: part) }
  }
}
