import NetTypes
import Netfilter
import PacketFilter

/// Encodes a rule as nft does: `nft list ruleset` prints it as if nft had added it.
struct RuleEncoder {
  private(set) var expressions = NftExpressionList()
  /// Sets without names that the rule looks up; they are added before the rule.
  private(set) var sets: [AnonymousSet] = []
  private(set) var comment: String?
  private let table: Table
  private let firstSetNumber: UInt32
  /// What earlier statements have matched; nft adds the same matches where a statement needs them.
  private var family: IPFamily?
  private var transport: UInt8?

  /// - Parameters:
  ///   - rule: a rule without conditions in nft's syntax.
  ///   - table: its table.
  ///   - firstSetNumber: the number in the batch of the first set without a name.
  init(_ rule: NftRule, in table: Table, firstSetNumber: UInt32) {
    self.table = table
    self.firstSetNumber = firstSetNumber
    for statement in rule.statements { put(statement) }
  }

  private mutating func put(_ statement: Statement) {
    if !putMatch(statement), !putLookup(statement) { putAction(statement) }
  }

  /// Whether the statement is a match of packet fields.
  private mutating func putMatch(_ statement: Statement) -> Bool {
    switch statement {
    case .family(let family): match(family)
    case .etherTypes(let types): match(types)
    case .link(let direction, let names, let isNot): match(direction, names, isNot)
    case .linkGroup(let direction, let groups): match(direction, groups)
    case .address(let end, let address): match(end, address, length: address.bytes.count * 8)
    case .prefix(let end, let prefix): match(end, prefix.network.address, length: prefix.length)
    case .addresses(let end, let ranges): match(end, ranges)
    case .addressesWithPorts(let end, let allowed): match(end, allowed)
    case .transport(let transport): match(transport: transport.number)
    case .otherTransport(let transports):
      expressions.load(meta: NftCode.transport)
      lookUp(.transports(transports), isNot: true)
    case .port(let port, let isNot):
      load(.port, into: NftCode.register)
      expressions.compare(Field.port(port).bytes, isNot ? .notEqual : .equal)
    case .ports(let spans): match(spans)
    case .icmpv6Types(let types): match(types)
    case .udpPorts(let source, let destination): matchUDP(from: source, to: destination)
    case .sourceWithoutSubnet:
      load([.address(.source, .v6)])
      lookUp(.sourcesWithoutSubnet, isNot: false)
    case .arpProbe:
      load(.arpSource, into: NftCode.register)
      expressions.compare([0, 0, 0, 0])
    default: return false
    }
    return true
  }

  /// Whether the statement matches the connection, the host or a named set.
  private mutating func putLookup(_ statement: Statement) -> Bool {
    switch statement {
    case .established: matchConnection(key: 0, bits: [0b110, 0, 0, 0])
    case .translated: matchConnection(key: 2, bits: [1 << 5, 0, 0, 0])
    case .local: matchLocal(flags: 2)  // NFTA_FIB_F_DADDR
    case .localSource: matchLocal(flags: 1)  // NFTA_FIB_F_SADDR
    case .markBit(let mask):
      expressions.load(meta: NftCode.mark)
      matchBits(number(mask))
    case .member(let key, let set, let isNot): lookUp(key, set, into: nil, isNot)
    case .verdict(let key, let map): lookUp(key, map, into: NftCode.verdictRegister)
    case .translate(let end, let family, let key, let map): translate(end, family, key, map)
    default: return false
    }
    return true
  }

  private mutating func putAction(_ statement: Statement) {
    switch statement {
    case .translateDestination(let address, let port): translateDestination(address, port)
    case .balance(let family, let scheduler, let slots): balance(family, scheduler, slots)
    case .masquerade(let isRandom):
      // NF_NAT_RANGE_PROTO_RANDOM_FULLY
      expressions.put("masq") { if isRandom { $0.put(.masqueradeFlags, UInt32(1 << 4)) } }
    case .setMarkBit(let mask): setMarkBit(mask)
    case .counter:
      expressions.put("counter") {
        $0.put(.counterBytes, [UInt8](repeating: 0, count: 8))
        $0.put(.counterPackets, [UInt8](repeating: 0, count: 8))
      }
    case .log(let group): expressions.put("log") { $0.put(.logGroup, Field.port(group).bytes) }
    case .accept: expressions.decide(NftCode.accept)
    case .drop: expressions.decide(NftCode.drop)
    case .returnToCaller: expressions.decide(NftCode.returnToCaller)
    case .jump(let chain): expressions.decide(NftCode.jump, chain)
    case .comment(let text): comment = text
    default: break
    }
  }
}

extension RuleEncoder {
  private mutating func match(_ family: IPFamily) {
    if table == .bridge {
      match([family == .v4 ? .ip : .ip6])
    } else {
      expressions.load(meta: NftCode.family)
      expressions.compare([family.netfilterNumber])
    }
    self.family = family
  }

  private mutating func match(transport number: UInt8) {
    expressions.load(meta: NftCode.transport)
    expressions.compare([number])
    transport = number
  }

  private mutating func match(_ types: [EtherType]) {
    expressions.load(meta: NftCode.etherType)
    guard types.count == 1 else { return lookUp(.etherTypes(types), isNot: false) }
    expressions.compare(Field.port(types[0].number).bytes)
    family = types[0] == .ip ? .v4 : types[0] == .ip6 ? .v6 : nil
  }

  private mutating func match(_ direction: Direction, _ names: [String], _ isNot: Bool) {
    expressions.load(meta: direction == .incoming ? NftCode.inName : NftCode.outName)
    guard names.count == 1 else { return lookUp(.links(direction, names), isNot: isNot) }
    expressions.compare(Field.hash(names[0]).bytes, isNot ? .notEqual : .equal)
  }

  private mutating func match(_ direction: Direction, _ groups: ClosedRange<Int>) {
    expressions.load(meta: direction == .incoming ? NftCode.inGroup : NftCode.outGroup)
    guard groups.count > 1 else { return expressions.compare(number(UInt32(groups.lowerBound))) }
    toNetworkOrder(length: 4, size: 4)
    expressions.compare(number(UInt32(groups.lowerBound).bigEndian), .atLeast)
    expressions.compare(number(UInt32(groups.upperBound).bigEndian), .atMost)
  }

  /// Turns numbers of `size` bytes to network byte order.
  private mutating func toNetworkOrder(_ register: UInt32 = NftCode.register, length: UInt32, size: UInt32) {
    expressions.put("byteorder") {
      $0.put(.byteOrderSource, register)
      $0.put(.byteOrderTarget, register)
      $0.put(.byteOrderOperation, UInt32(1))  // NFT_BYTEORDER_HTON
      $0.put(.byteOrderLength, length)
      $0.put(.byteOrderSize, size)
    }
  }

  /// Compares whole bytes of the address if the prefix ends with a byte, as nft does.
  private mutating func match(_ end: End, _ address: IPAddress, length: Int) {
    need(address.family)
    let bytes = address.bytes
    let isWhole = length > 0 && length % 8 == 0
    let count = isWhole ? length / 8 : bytes.count
    expressions.load(header: NftCode.networkHeader, at: end.offset(address.family), count: count)
    if !isWhole {
      expressions.mask(bytes.indices.map { UInt8(truncatingIfNeeded: 0xFF00 >> min(8, max(0, length - 8 * $0))) })
    }
    expressions.compare(Array(bytes.prefix(count)))
  }

  /// One span is compared, as nft does for `tcp dport 80-90`; several are looked up.
  private mutating func match(_ spans: [PortSpan]) {
    guard spans.count == 1, let transport = spans[0].transport else { return lookUpWithPort(.ports(spans), at: 0) }
    needTransport(transport.number)
    load(.port, into: NftCode.register)
    let (first, last) = (spans[0].ports.lowerBound, spans[0].ports.upperBound)
    guard first < last else { return expressions.compare(Field.port(first).bytes) }
    expressions.compare(Field.port(first).bytes, .atLeast)
    expressions.compare(Field.port(last).bytes, .atMost)
  }

  /// One range is compared; several are looked up.
  private mutating func match(_ end: End, _ ranges: [ClosedRange<IPAddress>]) {
    load([.address(end, ranges[0].lowerBound.family)])
    guard ranges.count == 1 else { return lookUp(.addresses(end, ranges), isNot: false) }
    expressions.compare(ranges[0].lowerBound.bytes, .atLeast)
    expressions.compare(ranges[0].upperBound.bytes, .atMost)
  }

  private mutating func match(_ end: End, _ allowed: [AllowedRange]) {
    let address = allowed[0].addresses.lowerBound
    load([.address(end, address.family)])
    lookUpWithPort(.ports(end, allowed), at: address.bytes.count)
  }

  /// Looks up the protocol and the port, which follow the fields in the first bytes of the registers.
  private mutating func lookUpWithPort(_ set: AnonymousSet, at byte: Int) {
    let register = NftCode.register(at: byte)
    expressions.load(meta: NftCode.transport, into: register)
    // As nft does for intervals, though a number of one byte has no order.
    if !set.ends.isEmpty { toNetworkOrder(register, length: 1, size: 2) }
    load(.port, into: NftCode.register(at: byte + 4))
    lookUp(set, isNot: false)
  }

  private mutating func match(_ types: [ICMPv6Type]) {
    need(.v6)
    needTransport(58)
    expressions.load(header: NftCode.transportHeader, at: 0, count: 1)
    lookUp(.icmpv6Types(types), isNot: false)
  }

  /// Both ports are loaded at once, as nft does.
  private mutating func matchUDP(from source: UInt16, to destination: UInt16) {
    needTransport(TransportProtocol.udp.number)
    expressions.load(header: NftCode.transportHeader, at: 0, count: 4)
    expressions.compare(Field.port(source).bytes + Field.port(destination).bytes)
  }

  private mutating func matchLocal(flags: UInt32) {
    expressions.put("fib") {
      $0.put(.fibFlags, flags)
      $0.put(.fibResult, UInt32(3))  // NFT_FIB_RESULT_ADDRTYPE
      $0.put(.fibTarget, NftCode.register)
    }
    expressions.compare([2, 0, 0, 0])  // RTN_LOCAL
  }

  private mutating func matchConnection(key: UInt32, bits: [UInt8]) {
    expressions.put("ct") {
      $0.put(.connectionKey, key)
      $0.put(.connectionTarget, NftCode.register)
    }
    matchBits(bits)
  }

  /// Whether one of the bits is set in the first register.
  private mutating func matchBits(_ bits: [UInt8]) {
    expressions.mask(bits)
    expressions.compare([0, 0, 0, 0], .notEqual)
  }

  private mutating func need(_ family: IPFamily) {
    if self.family != family { match(family) }
  }

  private mutating func needTransport(_ number: UInt8) {
    if transport != number { match(transport: number) }
  }
}

extension RuleEncoder {
  /// Loads the fields of a key one after another; the matches that they need come first.
  private mutating func load(_ key: [Selector]) {
    for selector in key {
      if case .address(_, let family) = selector { need(family) }
      if case .udpPort = selector { needTransport(TransportProtocol.udp.number) }
    }
    var offset = 0
    for selector in key {
      load(selector, into: NftCode.register(at: offset))
      offset += selector.registerSize
    }
  }

  private mutating func load(_ selector: Selector, into register: UInt32) {
    switch selector {
    case .link(let direction):
      expressions.load(meta: direction == .incoming ? NftCode.inName : NftCode.outName, into: register)
    case .address(let end, let family):
      expressions.load(
        header: NftCode.networkHeader, at: end.offset(family), count: family == .v4 ? 4 : 16, into: register)
    case .transport: expressions.load(meta: NftCode.transport, into: register)
    case .port, .udpPort: expressions.load(header: NftCode.transportHeader, at: 2, count: 2, into: register)
    case .hardwareSource: expressions.load(header: NftCode.linkHeader, at: 6, count: 6, into: register)
    case .arpSource: expressions.load(header: NftCode.networkHeader, at: 14, count: 4, into: register)
    }
  }

  private mutating func lookUp(_ key: [Selector], _ set: SetSpec, into register: UInt32?, _ isNot: Bool = false) {
    load(key)
    expressions.put("lookup") {
      $0.put(.lookupSource, NftCode.register)
      if let register { $0.put(.lookupTarget, register) }
      $0.put(.lookupSet, set.name)
      if isNot { $0.put(.lookupFlags, UInt32(1)) }  // NFT_LOOKUP_F_INV
    }
  }

  private mutating func lookUp(_ set: AnonymousSet, isNot: Bool, into register: UInt32? = nil) {
    let number = firstSetNumber + UInt32(sets.count)
    sets.append(set)
    expressions.put("lookup") {
      $0.put(.lookupSource, NftCode.register)
      if let register { $0.put(.lookupTarget, register) }
      $0.put(.lookupSet, set.name)
      $0.put(.lookupSetID, number)
      if isNot { $0.put(.lookupFlags, UInt32(1)) }  // NFT_LOOKUP_F_INV
    }
  }

  private mutating func translate(_ end: End, _ family: IPFamily, _ key: [Selector], _ map: SetSpec) {
    lookUp(key, map, into: NftCode.register)
    var portRegister: UInt32?
    if case .fields(let kinds) = map.value, kinds.count > 1 {
      portRegister = NftCode.register(at: kinds[0].byteCount)
    }
    putTranslation(end, family, port: portRegister, flags: nil)
  }

  private mutating func translateDestination(_ address: IPAddress, _ port: UInt16) {
    let portRegister = NftCode.register + 1
    expressions.load(address.bytes, into: NftCode.register)
    expressions.load(Field.port(port).bytes, into: portRegister)
    putTranslation(.destination, address.family, port: portRegister, flags: 1 << 1)  // NF_NAT_RANGE_PROTO_SPECIFIED
  }

  private mutating func putTranslation(_ end: End, _ family: IPFamily, port: UInt32?, flags: UInt32?) {
    expressions.put("nat") {
      $0.put(.natType, UInt32(end == .source ? 0 : 1))
      $0.put(.natFamily, UInt32(family.netfilterNumber))
      $0.put(.natAddress, NftCode.register)
      if let port { $0.put(.natPort, port) }
      if let flags { $0.put(.natFlags, flags) }
    }
  }

  private mutating func balance(_ family: IPFamily, _ scheduler: BackEnd.Scheduler, _ slots: [Slot]) {
    need(family)
    let count = UInt32(slots.count)
    if scheduler == .source {
      loadHash(of: .address(.source, family), modulus: count)
    } else {
      expressions.put("numgen") {
        $0.put(.numberTarget, NftCode.register)
        $0.put(.numberModulus, count)
        $0.put(.numberType, UInt32(scheduler == .random ? 1 : 0))
        $0.put(.numberOffset, UInt32(0))
      }
    }
    lookUp(.slots(slots, family), isNot: false, into: NftCode.register)
    putTranslation(
      .destination, family, port: NftCode.register(at: Field.Kind(family).byteCount), flags: nil)
  }

  private mutating func loadHash(of selector: Selector, modulus: UInt32) {
    let register = NftCode.register + 1
    load(selector, into: register)
    expressions.put("hash") {
      $0.put(.hashSource, register)
      $0.put(.hashTarget, NftCode.register)
      $0.put(.hashLength, UInt32(selector.registerSize))
      $0.put(.hashModulus, modulus)
      $0.put(.hashSeed, Slot.seed)
      $0.put(.hashOffset, UInt32(0))
      $0.put(.hashType, UInt32(0))  // NFT_HASH_JENKINS
    }
  }

  private mutating func setMarkBit(_ mask: UInt32) {
    expressions.load(meta: NftCode.mark)
    expressions.mask(number(~mask), xor: number(mask))
    expressions.put("meta") {
      $0.put(.metaKey, NftCode.mark)
      $0.put(.metaSource, NftCode.register)
    }
  }
}

extension End {
  /// Where the address begins in the header.
  fileprivate func offset(_ family: IPFamily) -> UInt32 {
    self == .source ? NftCode.sourceOffset(family) : NftCode.destinationOffset(family)
  }
}

extension Selector {
  /// The bytes in the registers: a multiple of four.
  fileprivate var registerSize: Int {
    switch self {
    case .link, .address(_, .v6): 16
    case .address(_, .v4), .transport, .port, .udpPort, .arpSource: 4
    case .hardwareSource: 8
    }
  }
}
