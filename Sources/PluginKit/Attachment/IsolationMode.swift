public import CNI

/// The isolation of a bridge's containers: the key `isolation`.
public enum IsolationMode: String, Sendable {
  case none
  /// Isolated from all hosts and networks beyond the bridge.
  case network
  /// Isolated from each other too.
  case container

  /// - Throws: code 7 for another value.
  public init?(isolation text: String?) throws(CNIError) {
    guard let text else { return nil }
    guard let isolationMode = IsolationMode(rawValue: text) else {
      throw CNIError(.invalidNetworkConfig, "key \"isolation\": \"\(text)\": want none, network or container")
    }
    self = isolationMode
  }
}
