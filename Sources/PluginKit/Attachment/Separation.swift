public import CNI

/// How far a bridge's containers are kept apart from others: the key `isolation`.
public enum Separation: String, Sendable {
  case none
  /// From everybody beyond the bridge.
  case network
  /// From each other too.
  case container

  /// - Throws: code 7 for another word.
  public init?(isolation text: String?) throws(CNIError) {
    guard let text else { return nil }
    guard let separation = Separation(rawValue: text) else {
      throw CNIError(.invalidNetworkConfig, "key \"isolation\": \"\(text)\": want none, network or container")
    }
    self = separation
  }
}
