import NetTypes
import Netfilter
import PacketFilter

/// A packet at the hook forward, of which some fields are known: a connection's first packet, or a reply.
struct ForwardPacket: Sendable {
  var connection: ForwardedConnection
  var isReply: Bool

  /// Whether the packet comes from the container.
  private var isFromContainer: Bool { (connection.kind == .outbound) != isReply }

  /// `ct state`; nf_tables and xt_conntrack use the same bits.
  var state: ConnectionStates { isReply ? .established : .new }

  private static let translatedDestination: UInt32 = 1 << 5  // IPS_DST_NAT

  /// The value that `meta` loads for that `NFT_META_*` key; `nil` if it is not known.
  func load(meta key: UInt64?) -> PartialBytes? {
    switch key {
    case 1: PartialBytes(connection.family == .v4 ? [0x08, 0x00] : [0x86, 0xDD])
    case 4, 5: PartialBytes(unknown: 4, excluded: [hostOrder(1)])  // the index of lo
    case 6: isFromContainer ? containerLink : otherLink
    case 7: isFromContainer ? otherLink : containerLink
    case 15: PartialBytes([connection.family == .v4 ? 2 : 10])
    case 16: PartialBytes(unknown: 1, excluded: [[1], [58]])  // ICMP: the packet belongs to a TCP or UDP connection
    default: nil
    }
  }

  /// The host's link to the container.
  private var containerLink: PartialBytes {
    guard let name = connection.link?.description.utf8 else {
      return PartialBytes(unknown: 16, excluded: [Self.loopback])
    }
    return PartialBytes(name + [UInt8](repeating: 0, count: 16 - name.count))
  }

  /// The other link; if the container opens the connection, it differs from the container's own link.
  private var otherLink: PartialBytes {
    let own = connection.kind == .outbound ? connection.link : nil
    return PartialBytes(unknown: 16, excluded: [Self.loopback] + (own.map { [$0.description.utf8 + [0]] } ?? []))
  }

  private static let loopback = Array("lo".utf8) + [0]

  /// The value that `ct` loads for that `NFT_CT_*` key; `nil` if it is not known.
  func load(connectionTracking key: UInt64?) -> PartialBytes? {
    switch key {
    case 0: PartialBytes(hostOrder(UInt32(state.rawValue)))
    case 2:
      PartialBytes(
        hostOrder(connection.kind == .published ? Self.translatedDestination : 0),
        mask: hostOrder(Self.translatedDestination)
      )
    default: nil
    }
  }

  /// The bytes that `payload` loads from the network header; `nil` if they are not known.
  func load(networkHeader offset: UInt64, count: UInt64) -> PartialBytes? {
    let family = connection.family
    let size = UInt64(family == .v4 ? 4 : 16)
    let start = UInt64(isFromContainer ? NftCode.sourceOffset(family) : NftCode.destinationOffset(family))
    guard let address = connection.address, offset == start, count <= size else { return nil }
    return PartialBytes(Array(address.bytes.prefix(Int(count))))
  }
}

/// The bytes of a number in a register; nf_tables keeps these numbers in host byte order.
private func hostOrder(_ number: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
