import NetTypes
import PacketFilter

/// A rule of our tables: its matches and statements, in their order.
struct NftRule: Equatable, ExpressibleByArrayLiteral {
  var statements: [Statement]

  init(_ statements: [Statement]) { self.statements = statements }

  init(arrayLiteral statements: Statement...) { self.statements = statements }

  /// The rule in nft's syntax, from whose hash the names of shared chains are made.
  var text: String { statements.map { $0.text }.joined(separator: " ") }

  /// Whether the rule has conditions in nft's syntax, which only libnftables can read.
  var needsLibrary: Bool {
    statements.contains { if case .conditions = $0 { true } else { false } }
  }
}

/// A match or a statement of a rule.
enum Statement: Equatable {
  case family(IPFamily)
  case etherTypes([EtherType])
  /// The packet's link is one of these, or none of them.
  case link(Direction, [String], isNot: Bool = false)
  case linkGroup(Direction, ClosedRange<Int>)
  case address(End, IPAddress)
  case prefix(End, IPPrefix)
  /// The address is in one of these ranges of one family, which are in order and have addresses between them.
  case addresses(End, [ClosedRange<IPAddress>])
  /// The address, the destination port and its protocol are among these, of one family.
  case addressesWithPorts(End, [AllowedRange])
  case transport(TransportProtocol)
  case otherTransport([TransportProtocol])
  /// The destination port.
  case port(UInt16, isNot: Bool = false)
  /// The destination port and its protocol are among these.
  case ports([PortSpan])
  case icmpv6Types([ICMPv6Type])
  /// The source and destination port of a UDP packet.
  case udpPorts(from: UInt16, to: UInt16)
  /// An IPv6 source that is `::` or link-local.
  case sourceWithoutSubnet
  /// An ARP packet from a host that has no address yet.
  case arpProbe
  /// The packet belongs to a known connection.
  case established
  /// The connection's destination was translated.
  case translated
  /// The destination is an address of this host.
  case local
  /// The source is one.
  case localSource
  /// The key is in the set, or is not.
  case member([Selector], SetSpec, isNot: Bool = false)
  /// Jumps to the chain that the map has for the key.
  case verdict([Selector], SetSpec)
  /// Translates the source or the destination to what the map has for the key.
  case translate(End, IPFamily, [Selector], SetSpec)
  case translateDestination(IPAddress, UInt16)
  /// Translates the destination to one of these, which has as large a part of the connections as it is often there.
  case balance(IPFamily, BackEnd.Scheduler, [Slot])
  case masquerade(isRandom: Bool = false)
  case markBit(UInt32)
  case setMarkBit(UInt32)
  case counter
  /// Sends the packet to that NFLOG group.
  case log(group: UInt16)
  case accept
  case drop
  case returnToCaller
  case jump(String)
  case comment(String)
  /// Matches that an operator wrote in nft's syntax.
  case conditions(String)
}

enum Direction: String {
  case incoming = "iif"
  case outgoing = "oif"
}

/// The end of a packet's way that an address belongs to.
enum End: String {
  case source = "saddr"
  case destination = "daddr"
}

enum EtherType: String {
  case arp, ip, ip6
  case vlan = "8021q"
  case serviceVLAN = "8021ad"

  var number: UInt16 {
    switch self {
    case .arp: 0x0806
    case .ip: 0x0800
    case .ip6: 0x86DD
    case .vlan: 0x8100
    case .serviceVLAN: 0x88A8
    }
  }
}

/// A field of a packet that is looked up in a set.
enum Selector: Equatable {
  case link(Direction)
  case address(End, IPFamily)
  case transport
  case port
  /// The port of a UDP packet; other packets do not match.
  case udpPort
  case hardwareSource
  case arpSource

  var text: String {
    switch self {
    case .link(let direction): "\(direction.rawValue)name"
    case .address(let end, let family): "\(family.word) \(end.rawValue)"
    case .transport: "meta l4proto"
    case .port: "th dport"
    case .udpPort: "udp dport"
    case .hardwareSource: "ether saddr"
    case .arpSource: "arp saddr ip"
    }
  }
}

extension IPFamily {
  /// The word for the family's header in rules.
  var word: String { self == .v4 ? "ip" : "ip6" }
  /// The family's name as nft prints it.
  var nftName: String { self == .v4 ? "ipv4" : "ipv6" }
}

extension Statement {
  static let neighbourDiscovery = Statement.icmpv6Types([.neighbourSolicitation, .neighbourAdvertisement])

  /// The statement in nft's syntax.
  var text: String { matchText ?? actionText }

  private var matchText: String? {
    switch self {
    case .family(let family): "meta nfproto \(family.nftName)"
    case .etherTypes(let types): "meta protocol \(Self.list(types.map { $0.rawValue }))"
    case .link(let direction, let names, let isNot):
      "\(direction.rawValue)name \(isNot ? "!= " : "")\(Self.list(names.map { "\"\($0)\"" }))"
    case .linkGroup(let direction, let groups):
      "\(direction.rawValue)group \(groups.count == 1 ? "\(groups.lowerBound)" : "\(groups.lowerBound)-\(groups.upperBound)")"
    case .address(let end, let address): "\(address.family.word) \(end.rawValue) \(address)"
    case .prefix(let end, let prefix): "\(prefix.family.word) \(end.rawValue) \(prefix)"
    case .addresses(let end, let ranges): "\(Self.header(ranges[0], end)) \(Self.list(ranges.map { $0.nftText }))"
    case .addressesWithPorts(let end, let allowed):
      "\(Self.header(allowed[0].addresses, end)) . meta l4proto . th dport { \(allowed.map { $0.nftText }.joined(separator: ", ")) }"
    case .transport(let transport): "meta l4proto \(transport)"
    case .otherTransport(let transports):
      "meta l4proto != { \(transports.map { "\($0.number)" }.joined(separator: ", ")) }"
    case .port(let port, let isNot): "th dport \(isNot ? "!= " : "")\(port)"
    case .ports(let spans): spans.nftText
    case .icmpv6Types(let types): "icmpv6 type \(Self.list(types.map { $0.rawValue }))"
    case .udpPorts(let source, let destination): "udp sport \(source) udp dport \(destination)"
    case .sourceWithoutSubnet: "ip6 saddr { ::, fe80::/10 }"
    case .arpProbe: "arp saddr ip 0.0.0.0"
    case .established: "ct state established,related"
    case .translated: "ct status dnat"
    case .local: "fib daddr type local"
    case .localSource: "fib saddr type local"
    case .markBit(let mask): "meta mark & \(mask) != 0"
    case .conditions(let words): words
    default: nil
    }
  }

  private var actionText: String {
    switch self {
    case .member(let key, let set, let isNot): "\(key.text) \(isNot ? "!= " : "")@\(set.name)"
    case .verdict(let key, let map): "\(key.text) vmap @\(map.name)"
    case .translate(let end, let family, let key, let map):
      "\(end == .source ? "snat" : "dnat") \(family.word) to \(key.text) map @\(map.name)"
    case .translateDestination(let address, let port): "dnat \(address.family.word) to \(address.withPort(port))"
    case .balance(let family, let scheduler, let slots): Slot.text(family, scheduler, slots)
    case .masquerade(let isRandom): "masquerade" + (isRandom ? " fully-random" : "")
    case .setMarkBit(let mask): "meta mark set meta mark or \(mask)"
    case .counter: "counter"
    case .log(let group): "log group \(group)"
    case .accept: "accept"
    case .drop: "drop"
    case .returnToCaller: "return"
    case .jump(let chain): "jump \(chain)"
    case .comment(let text): "comment \"\(text)\""
    default: ""
    }
  }

  private static func header(_ range: ClosedRange<IPAddress>, _ end: End) -> String {
    "\(range.lowerBound.family.word) \(end.rawValue)"
  }

  private static func list(_ words: [String]) -> String {
    words.count == 1 ? words[0] : "{ \(words.joined(separator: ", ")) }"
  }
}

extension [Selector] {
  var text: String { map { $0.text }.joined(separator: " . ") }
}

extension [PortSpan] {
  /// The match of these ports, each with a protocol: `tcp dport 80-90` for one.
  fileprivate var nftText: String {
    if count == 1 { return "\(self[0].transport?.description ?? "") dport \(self[0].portsText)" }
    return "meta l4proto . th dport { \(map { $0.nftElement }.joined(separator: ", ")) }"
  }
}

extension PortSpan {
  fileprivate var nftElement: String { "\(transport?.description ?? "") . \(portsText)" }
}

extension AllowedRange {
  fileprivate var nftText: String {
    ports.map { "\(addresses.nftText) . \($0.nftElement)" }.joined(separator: ", ")
  }
}

extension ClosedRange<IPAddress> {
  /// As nft prints it: an address, a prefix, or both ends.
  fileprivate var nftText: String {
    if lowerBound == upperBound { return "\(lowerBound)" }
    return IPPrefix(self).map { "\($0)" } ?? "\(lowerBound)-\(upperBound)"
  }
}
