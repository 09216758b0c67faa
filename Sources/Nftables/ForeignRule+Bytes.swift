import CNftables
import NetTypes

extension ForeignRule {
  /// - Parameters:
  ///   - answer: the kernel's answer, without its header.
  ///   - chain: the chain that was listed.
  init(_ answer: ArraySlice<UInt8>, in chain: ForeignChain) {
    let attributes = RulesetMessages.attributes(answer)
    self.init(chain: chain, handle: attributes[NFTA_RULE_HANDLE.rawValue].map(bigEndian) ?? 0)
    comment = attributes[NFTA_RULE_USERDATA.rawValue].map(RulesetMessages.comment) ?? ""
    var loaded: (base: UInt64, offset: UInt64)?
    for element in attributes[NFTA_RULE_EXPRESSIONS.rawValue].map(RulesetMessages.split) ?? [] {
      let parts = RulesetMessages.dictionary(RulesetMessages.split(element.value))
      let data = parts[NFTA_EXPR_DATA.rawValue].map(RulesetMessages.parts) ?? [:]
      switch parts[NFTA_EXPR_NAME.rawValue].map(RulesetMessages.string) {
      case "payload":
        loaded = (
          data[NFTA_PAYLOAD_BASE.rawValue].map(bigEndian) ?? 0, data[NFTA_PAYLOAD_OFFSET.rawValue].map(bigEndian) ?? 0
        )
      case "cmp":
        if let location = loaded { readComparison(data, at: location) }
        loaded = nil
      case "immediate": readImmediate(data)
      case "match": readMatch(data)
      case "target": translation += data[NFTA_TARGET_INFO.rawValue] ?? []
      default: loaded = nil
      }
    }
  }

  private mutating func readComparison(
    _ data: [UInt32: ArraySlice<UInt8>], at location: (base: UInt64, offset: UInt64)
  ) {
    guard data[NFTA_CMP_OP.rawValue].map(bigEndian) == UInt64(NFT_CMP_EQ.rawValue),
      let value = data[NFTA_CMP_DATA.rawValue].map(RulesetMessages.parts)?[NFTA_DATA_VALUE.rawValue]
    else { return }
    switch (location.base, location.offset, value.count) {
    case (1, 12, 4), (1, 8, 16): source = IPAddress(bytes: value)
    case (1, 16, 4), (1, 24, 16): destination = IPAddress(bytes: value)
    case (2, 2, 2): port = UInt16(truncatingIfNeeded: bigEndian(value))
    default: break
    }
  }

  private mutating func readImmediate(_ data: [UInt32: ArraySlice<UInt8>]) {
    let value = data[NFTA_IMMEDIATE_DATA.rawValue].map(RulesetMessages.parts) ?? [:]
    translation += value[NFTA_DATA_VALUE.rawValue] ?? []
    guard let verdict = value[NFTA_DATA_VERDICT.rawValue].map(RulesetMessages.parts) else { return }
    jump = verdict[NFTA_VERDICT_CHAIN.rawValue].map(RulesetMessages.string)
    accepts = verdict[NFTA_VERDICT_CODE.rawValue].map(bigEndian) == 1
  }

  private mutating func readMatch(_ data: [UInt32: ArraySlice<UInt8>]) {
    guard let info = data[NFTA_MATCH_INFO.rawValue] else { return }
    switch data[NFTA_MATCH_NAME.rawValue].map(RulesetMessages.string) {
    case "comment": comment = RulesetMessages.string(info)
    // The struct holds the range of source ports, then that of destination ports; for SCTP the order is reversed.
    case "tcp", "udp": port = UInt16(truncatingIfNeeded: integer(info, 4, 2))
    case "sctp": port = UInt16(truncatingIfNeeded: integer(info, 0, 2))
    default: break
    }
  }
}

extension RulesetMessages {
  fileprivate static func parts(_ bytes: ArraySlice<UInt8>) -> [UInt32: ArraySlice<UInt8>] { dictionary(split(bytes)) }
}

private func bigEndian(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
