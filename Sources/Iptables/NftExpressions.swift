import NetTypes
import Netfilter

/// Converts an xtables entry to nf_tables expressions, in the encoding of `iptables-nft`.
struct NftExpressions {
  let family: IPFamily
  let entry: [UInt8]
  private(set) var list = NftExpressionList()

  /// The attributes of a rule: its expressions, and the protocol for its matches.
  static func attributes(_ family: IPFamily, _ entry: [UInt8]) -> NftAttributes {
    var expressions = NftExpressions(family: family, entry: entry)
    expressions.putAll()
    var rule = NftAttributes()
    rule.nest(.ruleExpressions, expressions.list.attributes)
    let transport = entry[EntryShape(family).protocolNumber]
    if transport != 0 {
      rule.nest(.ruleCompat) {
        $0.put(.compatProtocol, UInt32(transport))
        $0.put(.compatFlags, UInt32(0))
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
      list.load(meta: NftCode.transport)
      list.compare([transport])
    }
    putAddress(0, at: NftCode.sourceOffset(family), flag: 8)
    putAddress(1, at: NftCode.destinationOffset(family), flag: 16)
    putMatches()
    list.put("counter") {
      $0.put(.counterBytes, handle: 0)
      $0.put(.counterPackets, handle: 0)
    }
    putTarget()
  }

  private func isNegated(_ flag: UInt8) -> Bool { entry[shape.inverted] & flag != 0 }

  private mutating func putDevice(_ offset: Int, key: UInt32, flag: UInt8) {
    let mask = offset + 32
    let count = entry[mask..<mask + 16].prefix { $0 != 0 }.count
    guard count > 0 else { return }
    list.load(meta: key)
    list.compare(Array(entry[offset..<offset + count]), isNegated(flag) ? .notEqual : .equal)
  }

  private mutating func putAddress(_ index: Int, at offset: UInt32, flag: UInt8) {
    let size = shape.address
    let address = Array(entry[index * size..<(index + 1) * size])
    let mask = Array(entry[(index + 2) * size..<(index + 3) * size])
    let bits = mask.reduce(0) { $0 + $1.nonzeroBitCount }
    guard bits > 0 else { return }
    let count = bits % 8 == 0 ? bits / 8 : size
    list.load(header: NftCode.networkHeader, at: offset, count: count)
    if bits % 8 != 0 { list.mask(mask) }
    list.compare(Array(address.prefix(count)), isNegated(flag) ? .notEqual : .equal)
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
    list.put(kind) {
      $0.put(.extensionName, name)
      $0.put(.extensionRevision, UInt32(entry[offset + 31]))
      $0.put(.extensionInfo, Array(entry[offset + 32..<offset + size]))
    }
  }

  private mutating func putTarget() {
    let offset = entry.number16(at: shape.targetOffset)
    let name = entry.text(at: offset + 2, count: 29)
    guard let verdict = NftCode.verdict(name) else {
      return putExtension("target", at: offset, size: entry.number16(at: offset))
    }
    list.decide(verdict, verdict == NftCode.jump ? name : nil)
  }
}

extension NftCode {
  private static let verdicts: [String: Int32] = ["DROP": drop, "ACCEPT": accept, "RETURN": returnToCaller]
  private static let extensions: Set = ["DNAT", "SNAT", "MASQUERADE", "MARK"]

  /// The verdict for a target of that name; `nil` if the target is an extension.
  static func verdict(_ name: String) -> Int32? {
    extensions.contains(name) ? nil : verdicts[name] ?? jump
  }

  static func name(_ verdict: Int32) -> String? { verdicts.first { $0.value == verdict }?.key }
}
