import NetTypes

/// Converts an xtables entry to nf_tables expressions, in the encoding of `iptables-nft`.
struct NftExpressions {
  let family: IPFamily
  let entry: [UInt8]
  private(set) var list = NftAttributes()

  /// The attributes of a rule: its expressions, and the protocol for its matches.
  static func attributes(_ family: IPFamily, _ entry: [UInt8]) -> NftAttributes {
    var expressions = NftExpressions(family: family, entry: entry)
    expressions.putAll()
    var rule = NftAttributes()
    rule.put(4 | 1 << 15, expressions.list.all)  // NFTA_RULE_EXPRESSIONS
    let transport = entry[EntryShape(family).protocolNumber]
    if transport != 0 {
      rule.nest(5) {  // NFTA_RULE_COMPAT: protocol, flags
        $0.put(1, UInt32(transport))
        $0.put(2, UInt32(0))
      }
    }
    return rule
  }

  private init(family: IPFamily, entry: [UInt8]) {
    self.family = family
    self.entry = entry
  }

  private var shape: EntryShape { EntryShape(family) }

  private mutating func putAll() {
    putDevice(shape.inDevice, key: NftCode.inName, flag: 1)
    putDevice(shape.outDevice, key: NftCode.outName, flag: 2)
    let transport = entry[shape.protocolNumber]
    if transport != 0 {
      load(meta: NftCode.transport)
      compare([transport], isNegated: false)
    }
    putAddress(0, at: NftCode.sourceOffset(family), flag: 8)
    putAddress(1, at: NftCode.destinationOffset(family), flag: 16)
    putMatches()
    put("counter") {
      $0.put(1, handle: 0); $0.put(2, handle: 0)
    }
    putTarget()
  }

  private func isNegated(_ flag: UInt8) -> Bool { entry[shape.inverted] & flag != 0 }

  private mutating func put(_ name: String, _ data: (inout NftAttributes) -> Void) {
    list.nest(1) {  // NFTA_LIST_ELEM
      $0.put(1, name)
      $0.nest(2, data)
    }
  }

  private mutating func load(meta key: UInt32) {
    put("meta") {
      $0.put(2, key)
      $0.put(1, NftCode.register)
    }
  }

  private mutating func compare(_ value: [UInt8], isNegated: Bool) {
    put("cmp") {
      $0.put(1, NftCode.register)
      $0.put(2, isNegated ? 1 : 0)
      $0.nest(3) { $0.put(1, value) }
    }
  }

  private mutating func putDevice(_ offset: Int, key: UInt32, flag: UInt8) {
    let mask = offset + 32
    let count = entry[mask..<mask + 16].prefix { $0 != 0 }.count
    guard count > 0 else { return }
    load(meta: key)
    compare(Array(entry[offset..<offset + count]), isNegated: isNegated(flag))
  }

  private mutating func putAddress(_ index: Int, at offset: UInt32, flag: UInt8) {
    let size = shape.address
    let address = Array(entry[index * size..<(index + 1) * size])
    let mask = Array(entry[(index + 2) * size..<(index + 3) * size])
    let bits = mask.reduce(0) { $0 + $1.nonzeroBitCount }
    guard bits > 0 else { return }
    let count = bits % 8 == 0 ? bits / 8 : size
    put("payload") {
      $0.put(1, NftCode.register)
      $0.put(2, NftCode.networkHeader)
      $0.put(3, offset)
      $0.put(4, UInt32(count))
    }
    if bits % 8 != 0 {
      put("bitwise") {
        $0.put(1, NftCode.register)
        $0.put(2, NftCode.register)
        $0.put(3, UInt32(size))
        $0.nest(4) { $0.put(1, mask) }
        $0.nest(5) { $0.put(1, [UInt8](repeating: 0, count: size)) }
      }
    }
    compare(Array(address.prefix(count)), isNegated: isNegated(flag))
  }

  private mutating func putMatches() {
    var offset = shape.size
    let end = entry.number16(at: shape.targetOffset)
    while offset < end {
      let size = entry.number16(at: offset)
      guard size >= 32 else { return }
      putExtension("match", at: offset, size: size)
      offset += size
    }
  }

  private mutating func putExtension(_ kind: String, at offset: Int, size: Int) {
    let (entry, name) = (entry, entry.text(at: offset + 2, count: 29))
    put(kind) {
      $0.put(1, name)
      $0.put(2, UInt32(entry[offset + 31]))
      $0.put(3, Array(entry[offset + 32..<offset + size]))
    }
  }

  private mutating func putTarget() {
    let offset = entry.number16(at: shape.targetOffset)
    let name = entry.text(at: offset + 2, count: 29)
    guard let verdict = NftCode.verdict(name) else {
      return putExtension("target", at: offset, size: entry.number16(at: offset))
    }
    put("immediate") {
      $0.put(1, NftCode.verdictRegister)
      $0.nest(2) {
        $0.nest(2) {
          $0.put(1, UInt32(bitPattern: verdict))
          if verdict == NftCode.jump { $0.put(2, name) }
        }
      }
    }
  }
}

/// Numbers of `linux/netfilter/nf_tables.h` and of the headers of a packet.
enum NftCode {
  static let verdictRegister: UInt32 = 0
  static let register: UInt32 = 1
  static let networkHeader: UInt32 = 1
  static let transportHeader: UInt32 = 2
  static let mark: UInt32 = 3
  static let inName: UInt32 = 6
  static let outName: UInt32 = 7
  static let transport: UInt32 = 16
  static let jump: Int32 = -3
  static let goto: Int32 = -4

  static func sourceOffset(_ family: IPFamily) -> UInt32 { family == .v4 ? 12 : 8 }
  static func destinationOffset(_ family: IPFamily) -> UInt32 { family == .v4 ? 16 : 24 }

  private static let verdicts: [String: Int32] = ["DROP": 0, "ACCEPT": 1, "RETURN": -5]
  private static let extensions: Set = ["DNAT", "SNAT", "MASQUERADE", "MARK"]

  /// The verdict for a target of that name; `nil` if the target is an extension.
  static func verdict(_ name: String) -> Int32? {
    extensions.contains(name) ? nil : verdicts[name] ?? jump
  }

  static func name(_ verdict: Int32) -> String? { verdicts.first { $0.value == verdict }?.key }
}
