import NetTypes

/// One part of a set's key, or of a map's value.
enum Field: Equatable {
  case address(IPAddress)
  case transport(TransportProtocol)
  case port(UInt16)
  case interface(InterfaceName)
  /// At most 15 characters that stand for a longer text, in a place for an interface's name.
  case hash(String)
  case mac(MACAddress)

  /// What a set is declared to hold.
  enum Kind: String {
    case v4 = "ipv4_addr"
    case v6 = "ipv6_addr"
    case transport = "inet_proto"
    case port = "inet_service"
    case interface = "ifname"
    case mac = "ether_addr"

    var byteCount: Int {
      switch self {
      case .v4: 4
      case .v6: 16
      case .transport: 1
      case .port: 2
      case .interface: 16
      case .mac: 6
      }
    }
  }

  /// As `nft` reads it; protocols by number, for /etc/protocols may be missing.
  var text: String {
    switch self {
    case .address(let address): "\(address)"
    case .transport(let transport): "\(transport.number)"
    case .port(let port): "\(port)"
    case .interface(let name): "\"\(name)\""
    case .hash(let text): "\"\(text)\""
    case .mac(let mac): "\(mac)"
    }
  }

  /// As the kernel holds it.
  var bytes: [UInt8] {
    switch self {
    case .address(let address): address.bytes
    case .transport(let transport): [transport.number]
    case .port(let port): [UInt8(port >> 8), UInt8(truncatingIfNeeded: port)]
    case .interface(let name): padded(Array(name.description.utf8), to: 16)
    case .hash(let text): padded(Array(text.utf8), to: 16)
    case .mac(let mac): mac.bytes
    }
  }

  /// `nil` where the bytes are none of ours.
  init?(_ kind: Kind, bytes: ArraySlice<UInt8>) {
    guard bytes.count == kind.byteCount else { return nil }
    switch kind {
    case .v4, .v6:
      guard let address = IPAddress(bytes: bytes) else { return nil }
      self = .address(address)
    case .transport:
      guard let transport = TransportProtocol.allCases.first(where: { $0.number == bytes.first }) else { return nil }
      self = .transport(transport)
    case .port: self = .port(bytes.reduce(0) { $0 << 8 | UInt16($1) })
    case .interface:
      guard let name = InterfaceName(String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)) else { return nil }
      self = .interface(name)
    case .mac:
      guard let mac = MACAddress(bytes: bytes) else { return nil }
      self = .mac(mac)
    }
  }
}

extension [Field] {
  var text: String { map(\.text).joined(separator: " . ") }

  /// Each part of several fills whole words of four bytes.
  var bytes: [UInt8] {
    count == 1 ? self[0].bytes : flatMap { padded($0.bytes, to: ($0.bytes.count + 3) & ~3) }
  }

  init?(_ kinds: [Field.Kind], bytes: [UInt8]) {
    var fields: [Field] = []
    var offset = 0
    for kind in kinds {
      guard offset + kind.byteCount <= bytes.count,
        let field = Field(kind, bytes: bytes[offset..<offset + kind.byteCount])
      else { return nil }
      fields.append(field)
      offset += kinds.count == 1 ? kind.byteCount : (kind.byteCount + 3) & ~3
    }
    self = fields
  }
}

private func padded(_ bytes: [UInt8], to count: Int) -> [UInt8] {
  bytes + [UInt8](repeating: 0, count: Swift.max(0, count - bytes.count))
}
