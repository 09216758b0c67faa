import NetTypes

/// One component of a set's key, or of a map's value.
enum Field: Equatable {
  case address(IPAddress)
  /// An interval, in a set of intervals.
  case prefix(IPPrefix)
  case transport(TransportProtocol)
  case port(UInt16)
  case interface(InterfaceName)
  /// A hash of at most 15 characters in place of a longer text, stored in a field of the type interface name.
  case hash(String)
  case mac(MACAddress)
  /// A number of 32 bits.
  case number(UInt32)

  /// The nft type of the component.
  enum Kind: String {
    case v4 = "ipv4_addr"
    case v6 = "ipv6_addr"
    case transport = "inet_proto"
    case port = "inet_service"
    case interface = "ifname"
    case mac = "ether_addr"
    case number = "mark"

    init(_ family: IPFamily) { self = family == .v4 ? .v4 : .v6 }

    /// nft's number for the type.
    var number: UInt32 {
      switch self {
      case .v4: 7
      case .v6: 8
      case .transport: 12
      case .port: 13
      case .interface: 41
      case .mac: 9
      case .number: 19
      }
    }

    var byteCount: Int {
      switch self {
      case .v4: 4
      case .v6: 16
      case .transport: 1
      case .port: 2
      case .interface: 16
      case .mac: 6
      case .number: 4
      }
    }
  }

  /// The component in the syntax of `nft`; protocols by number, since /etc/protocols may be missing.
  var text: String {
    switch self {
    case .address(let address): "\(address)"
    case .prefix(let prefix): "\(prefix)"
    case .transport(let transport): "\(transport.number)"
    case .port(let port): "\(port)"
    case .interface(let name): "\"\(name)\""
    case .hash(let text): "\"\(text)\""
    case .mac(let mac): "\(mac)"
    case .number(let number): "\(number)"
    }
  }

  /// The component in the kernel's encoding.
  var bytes: [UInt8] {
    switch self {
    case .address(let address): address.bytes
    case .prefix(let prefix): prefix.first.bytes
    case .transport(let transport): [transport.number]
    case .port(let port): [UInt8(port >> 8), UInt8(truncatingIfNeeded: port)]
    case .interface(let name): padded(Array(name.description.utf8), to: 16)
    case .hash(let text): padded(Array(text.utf8), to: 16)
    case .mac(let mac): mac.bytes
    case .number(let number): (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * UInt32($0))) }
    }
  }

  /// `nil` if the bytes are not a value that we write.
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
    case .number: self = .number(bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
  }
}

extension [Field] {
  /// The key after an interval; `nil` for another key, and for an interval up to the last address.
  var endOfInterval: [UInt8]? {
    if case .prefix(let prefix)? = first { prefix.last.advanced(by: 1)?.bytes } else { nil }
  }

  var text: String { map { $0.text }.joined(separator: " . ") }

  /// The kernel's encoding; in a concatenation, each component is padded to a multiple of four bytes.
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
