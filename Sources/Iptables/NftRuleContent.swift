import NetTypes

/// A rule of nf_tables that is parsed when it is first used, because removing a container's rules needs only a few.
final class NftRuleContent {
  private let family: IPFamily
  /// `NFTA_RULE_EXPRESSIONS` as the kernel listed them; for a rule that is not committed yet, its bytes.
  private let bytes: [UInt8]
  private var parsed: PresentRule?

  init(_ family: IPFamily, expressions: ArraySlice<UInt8>) {
    self.family = family
    bytes = Array(expressions)
  }

  /// A rule that is not committed yet.
  init(_ rule: PresentRule) {
    family = rule.family
    bytes = rule.bytes
    parsed = rule
  }

  var rule: PresentRule {
    if let parsed { return parsed }
    let rule = NftEntry.rule(family, expressions: bytes[...])
    parsed = rule
    return rule
  }

  /// Whether the text (such as a comment or a chain's name) occurs in the unparsed rule.
  func contains(_ text: [UInt8]) -> Bool {
    guard let first = text.first, text.count <= bytes.count else { return false }
    for start in 0...bytes.count - text.count where bytes[start] == first {
      if bytes[start...].starts(with: text) { return true }
    }
    return false
  }
}
