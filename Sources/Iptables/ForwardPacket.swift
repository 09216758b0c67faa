import NetTypes
import PacketFilter

/// A packet at the hook forward, as far as it is known: a connection's first one, or an answer.
struct ForwardPacket: Sendable {
  var connection: ForwardedConnection
  var isAnswer: Bool

  /// Whether the container sends it.
  private var isSent: Bool { (connection.kind == .outbound) != isAnswer }

  /// `ct state`, with a bit for each, as both nf_tables and xt_conntrack have them.
  var state: ConnectionStates { isAnswer ? .established : .new }

  private static let translatedDestination: UInt32 = 1 << 5  // IPS_DST_NAT

  func load(meta key: UInt64?) -> KnownBytes? {
    switch key {
    case 1: KnownBytes(connection.family == .v4 ? [0x08, 0x00] : [0x86, 0xDD])
    case 4, 5: KnownBytes(unknown: 4, isNot: [native(1)])  // the loopback interface's index
    case 6: isSent ? ours : others
    case 7: isSent ? others : ours
    case 15: KnownBytes([connection.family == .v4 ? 2 : 10])
    case 16: KnownBytes(unknown: 1, isNot: [[1], [58]])  // a rule for ping alone lets no connection pass
    default: nil
    }
  }

  /// The link towards the container.
  private var ours: KnownBytes {
    guard let name = connection.link?.description.utf8 else { return KnownBytes(unknown: 16, isNot: [Self.loopback]) }
    return KnownBytes(name + [UInt8](repeating: 0, count: 16 - name.count))
  }

  /// The other one: what a container itself begins does not return by its own link.
  private var others: KnownBytes {
    let own = connection.kind == .outbound ? connection.link : nil
    return KnownBytes(unknown: 16, isNot: [Self.loopback] + (own.map { [$0.description.utf8 + [0]] } ?? []))
  }

  private static let loopback = Array("lo".utf8) + [0]

  func load(connectionTracking key: UInt64?) -> KnownBytes? {
    switch key {
    case 0: KnownBytes(native(UInt32(state.rawValue)))
    case 2:
      KnownBytes(
        native(connection.kind == .published ? Self.translatedDestination : 0), mask: native(Self.translatedDestination)
      )
    default: nil
    }
  }

  /// Bytes of the network header.
  func load(networkHeader offset: UInt64, count: UInt64) -> KnownBytes? {
    let family = connection.family
    let size = UInt64(family == .v4 ? 4 : 16)
    let start = UInt64(isSent ? NftCode.sourceOffset(family) : NftCode.destinationOffset(family))
    guard let address = connection.address, offset == start, count <= size else { return nil }
    return KnownBytes(Array(address.bytes.prefix(Int(count))))
  }
}

private func native(_ number: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
