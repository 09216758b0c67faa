public import NetTypes

/// `CNI_ARGS`: `KEY=value` pairs, separated by semicolons.
public struct CNIArguments: Equatable, Sendable {
  private var values: [String: String] = [:]

  /// Keys that our plugins or common runtimes use; other keys need `IgnoreUnknown`.
  private static let knownKeys: Set<String> = ["IgnoreUnknown", "IP", "GATEWAY", "MAC"]
  private static let knownPrefix = "K8S_"

  /// Parses the pairs; a value is everything after the first `=`.
  ///
  /// - Throws: code 4, for a pair without `=` and for unknown keys without `IgnoreUnknown=1`.
  public init(_ text: String) throws(CNIError) {
    for pair in text.split(separator: ";") {
      guard let equals = pair.firstIndex(of: "="), equals != pair.startIndex else {
        throw CNIError(.invalidEnvironment, "CNI_ARGS: invalid pair \"\(pair)\": want KEY=value")
      }
      values[String(pair[..<equals])] = String(pair[pair.index(after: equals)...])
    }
    let unknown = values.keys.filter { !Self.knownKeys.contains($0) && !$0.hasPrefix(Self.knownPrefix) }.sorted()
    guard try ignoresUnknown() || unknown.isEmpty else {
      let pairs = unknown.map { "\($0)=\(values[$0] ?? "")" }
      throw CNIError(
        .invalidEnvironment, "CNI_ARGS: unknown args [\(pairs.map { $0.debugDescription }.joined(separator: ", "))]",
        details: "known keys are IP, GATEWAY, MAC and K8S_*; IgnoreUnknown=1 allows other keys")
    }
  }

  private func ignoresUnknown() throws(CNIError) -> Bool {
    switch self["IgnoreUnknown"]?.lowercased() {
    case "1", "true": return true
    case "0", "false", nil: return false
    case let other?:
      throw CNIError(.invalidEnvironment, "CNI_ARGS: IgnoreUnknown=\(other): want 1, true, 0 or false")
    }
  }

  /// The value; `nil` if the key is absent or its value is empty.
  public subscript(key: String) -> String? { values[key].flatMap { $0.isEmpty ? nil : $0 } }

  /// The value of `key`, parsed as `Value`.
  ///
  /// - Throws: code 4 if the value is invalid.
  public func value<Value: TextCodable>(_ key: String, as type: Value.Type = Value.self) throws(CNIError) -> Value? {
    guard let text = self[key] else { return nil }
    guard let value = Value(text) else {
      throw CNIError(.invalidEnvironment, "CNI_ARGS: \(key)=\(text): want \(Value.expectedForm)")
    }
    return value
  }
}
