public import NetTypes

/// A message to nf_tables (linux/netfilter/nf_tables.h, nfnetlink.h).
///
/// Numbers are in network byte order.
public struct NftMessage: Equatable, Sendable {
  public enum Kind: UInt16, Sendable {
    case newTable, getTable, deleteTable, newChain, getChain, deleteChain, newRule, getRule, deleteRule
    case newSet
    case deleteSet = 11, newSetElements
    case getSetElements, deleteSetElements
    case getGeneration = 16
  }

  public enum Flags {
    public static let request: UInt16 = 1
    public static let acknowledge: UInt16 = 4
    public static let dump: UInt16 = 0x300
    public static let exclusive: UInt16 = 0x200
    /// Do not delete a set that has elements.
    public static let nonRecursive: UInt16 = 0x100
    public static let create: UInt16 = 0x400
    public static let append: UInt16 = 0x800
  }

  public var kind: Kind
  public var flags: UInt16
  /// `NFPROTO_*`; 0 for all families.
  public var family: UInt8
  public var attributes: NftAttributes

  public init(kind: Kind, flags: UInt16 = 0, family: UInt8, attributes: NftAttributes = NftAttributes()) {
    self.kind = kind
    self.flags = flags
    self.family = family
    self.attributes = attributes
  }

  public static let headerSize = 16
  private static let subsystem: UInt16 = 10

  public func bytes(_ sequence: UInt32) -> [UInt8] {
    var bytes: [UInt8] = []
    append(to: &bytes, sequence)
    return bytes
  }

  public func append(to batch: inout [UInt8], _ sequence: UInt32) {
    Self.append(
      to: &batch, Self.subsystem << 8 | kind.rawValue, Flags.request | flags, sequence, family, 0, attributes.all)
  }

  /// Whether the kernel frees something after the change, for which closing the socket waits.
  ///
  /// Not so for a message that deletes all rules of a chain, because it is sent for new chains too.
  public var isDeletion: Bool {
    switch kind {
    case .deleteTable, .deleteChain, .deleteSet, .deleteSetElements: true
    case .deleteRule: NftAnswer.list(attributes.all[...]).contains { type, _ in type == .ruleHandle || type == .ruleID }
    default: false
    }
  }

  /// `NFNL_MSG_BATCH_BEGIN`; with a generation, the kernel rejects the batch if the ruleset has changed since.
  public static func begin(_ generation: UInt32? = nil) -> [UInt8] {
    var attributes = NftAttributes()
    if let generation { attributes.put(.batchGeneration, generation) }
    return frame(16, attributes.all)
  }

  /// `NFNL_MSG_BATCH_END`.
  public static let end = frame(17, [])

  private static func frame(_ type: UInt16, _ body: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    append(to: &bytes, type, Flags.request, 0, 0, UInt8(subsystem), body)
    return bytes
  }

  /// `family` and `resource` are those of `struct nfgenmsg`; of `resource`, the byte that is not zero.
  private static func append(
    to batch: inout [UInt8], _ type: UInt16, _ flags: UInt16, _ sequence: UInt32, _ family: UInt8, _ resource: UInt8,
    _ body: [UInt8]
  ) {
    batch.append(hostOrder: UInt32(headerSize + 4 + body.count))
    batch.append(hostOrder: type)
    batch.append(hostOrder: flags)
    batch.append(hostOrder: sequence)
    batch.append(hostOrder: UInt32(0))
    batch.append(family)
    batch.append(hostOrder: UInt16(0))
    batch.append(resource)
    batch += body
  }
}

extension IPFamily {
  /// The family's number: `NFPROTO_IPV4` or `NFPROTO_IPV6`.
  public var netfilterNumber: UInt8 { self == .v4 ? 2 : 10 }
}
