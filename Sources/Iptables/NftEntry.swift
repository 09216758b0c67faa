import NetTypes
import Netfilter

/// Converts a rule of nf_tables to an xtables entry, as far as `iptables` would show it.
///
/// An expression that is not understood becomes a match that none of our rules has.
struct NftEntry {
  let family: IPFamily
  private var header: [UInt8]
  private var matches = Bytes()
  private var target = ""
  private var targetData: [UInt8]?
  private var loaded: Loaded?
  private var mask: [UInt8]?

  private enum Loaded {
    case device(Int, flag: UInt8)
    case transport
    case address(Int, flag: UInt8)
    case port
    case mark
  }

  static func rule(_ family: IPFamily, expressions: ArraySlice<UInt8>) -> PresentRule {
    var entry = NftEntry(family)
    for (_, element) in NftAnswer.list(expressions) {
      let expression = NftAnswer(element)
      guard entry.read(expression.text(.expressionName) ?? "", expression.nested(.expressionData) ?? NftAnswer([]))
      else {
        entry.put("?", 0, Array(element))
        continue
      }
    }
    return entry.rule
  }

  private init(_ family: IPFamily) {
    self.family = family
    header = [UInt8](repeating: 0, count: EntryShape(family).size)
  }

  private var shape: EntryShape { EntryShape(family) }

  private var rule: PresentRule {
    var all = header
    var offsets = Bytes()
    let data = targetData ?? [UInt8](repeating: 0, count: 8)
    let size = 32 + data.count
    offsets.put(UInt16(shape.size + matches.all.count))
    offsets.put(UInt16(shape.size + matches.all.count + size))
    all.replaceSubrange(shape.targetOffset..<shape.targetOffset + 4, with: offsets.all)
    var end = Bytes()
    end.put(UInt16(size))
    end.put(targetData == nil ? "" : target, in: 29)
    end.put(targetRevision)
    return PresentRule(
      family, all + matches.all + end.all + data, target: target, isExtension: targetData != nil)
  }

  private var targetRevision: UInt8 = 0

  private mutating func put(_ name: String, _ revision: UInt8, _ data: [UInt8]) {
    var padded = Bytes()
    padded.put(data)
    padded.align()
    matches.put(UInt16(32 + padded.all.count))
    matches.put(name, in: 29)
    matches.put(revision)
    matches.put(padded.all)
  }

  /// Whether the expression is understood.
  private mutating func read(_ name: String, _ data: NftAnswer) -> Bool {
    switch name {
    case "counter": return true
    case "meta": return load(meta: data.number(.metaKey))
    case "payload": return load(payload: data)
    case "bitwise":
      mask = data.nested(.bitwiseMask)?[.value].map { Array($0) }
      return mask != nil && loaded != nil
    case "cmp": return compare(data)
    case "match":
      put(
        data.text(.extensionName) ?? "?", UInt8(data.number(.extensionRevision) ?? 0), Array(data[.extensionInfo] ?? [])
      )
      return true
    case "target":
      target = data.text(.extensionName) ?? "?"
      targetRevision = UInt8(data.number(.extensionRevision) ?? 0)
      targetData = Array(data[.extensionInfo] ?? [])
      return true
    case "immediate": return decide(data.nested(.immediateData)?.nested(.verdict))
    default: return false
    }
  }

  private mutating func decide(_ verdict: NftAnswer?) -> Bool {
    guard let code = verdict?.number(.verdictCode).map({ Int32(truncatingIfNeeded: $0) }) else { return false }
    let leadsToChain = code == NftCode.jump || code == NftCode.goto
    target = leadsToChain ? verdict?.text(.verdictChain) ?? "" : NftCode.name(code) ?? "?"
    return true
  }

  private mutating func load(meta key: UInt64?) -> Bool {
    mask = nil
    loaded =
      switch key.map({ UInt32($0) }) {
      case NftCode.inName: .device(shape.inDevice, flag: 1)
      case NftCode.outName: .device(shape.outDevice, flag: 2)
      case NftCode.transport: .transport
      case NftCode.mark: .mark
      default: nil
      }
    return loaded != nil
  }

  private mutating func load(payload data: NftAnswer) -> Bool {
    mask = nil
    loaded = nil
    let base = data.number(.payloadBase), offset = data.number(.payloadOffset).map { UInt32($0) }
    if base == UInt64(NftCode.networkHeader) {
      if offset == NftCode.sourceOffset(family) { loaded = .address(0, flag: 8) }
      if offset == NftCode.destinationOffset(family) { loaded = .address(1, flag: 16) }
    } else if base == UInt64(NftCode.transportHeader), offset == 2, data.number(.payloadLength) == 2 {
      loaded = .port
    }
    return loaded != nil
  }

  private mutating func compare(_ data: NftAnswer) -> Bool {
    guard let loaded, let value = data.nested(.compareData)?[.value].map({ Array($0) }),
      let operation = data.number(.compareOperation), operation < 2
    else { return false }
    let isNegated = operation == 1
    switch loaded {
    case .device(let offset, let flag):
      set(device: value, at: offset)
      if isNegated { header[shape.inverted] |= flag }
    case .address(let index, let flag):
      set(address: value, index)
      if isNegated { header[shape.inverted] |= flag }
    case .transport where !isNegated && value.count == 1: set(transport: value[0])
    case .port where !isNegated && value.count == 2: return putPort(UInt16(value[0]) << 8 | UInt16(value[1]))
    case .mark where value.count == 4:
      put("mark", 1, value + (mask ?? [255, 255, 255, 255]) + [isNegated ? 1 : 0, 0, 0, 0])
    default: return false
    }
    return true
  }

  private mutating func set(device value: [UInt8], at offset: Int) {
    let name = value.last == 0 ? value : value + [UInt8(ascii: "+")]
    for (index, byte) in name.prefix(16).enumerated() { header[offset + index] = byte }
    for index in 0..<min(value.count, 16) { header[offset + 32 + index] = 0xFF }
  }

  private mutating func set(address value: [UInt8], _ index: Int) {
    let size = shape.address
    let mask = mask ?? [UInt8](repeating: 0xFF, count: value.count)
    for (offset, byte) in value.prefix(size).enumerated() { header[index * size + offset] = byte }
    for (offset, byte) in mask.prefix(size).enumerated() { header[(index + 2) * size + offset] = byte }
  }

  private mutating func set(transport number: UInt8) {
    header[shape.protocolNumber] = number
    if family == .v6 { header[shape.protocolNumber + 3] = 1 }  // IP6T_F_PROTO
  }

  /// Sets `--dport` without a match extension, as `iptables` itself writes it.
  private mutating func putPort(_ port: UInt16) -> Bool {
    let number = header[shape.protocolNumber]
    guard let transport = TransportProtocol.allCases.first(where: { $0.number == number }) else { return false }
    matches.put(Match.port(transport, port).bytes)
    return true
  }
}
