public import CNI

extension CNIError {
  /// Message and details in one line, without the code.
  public var text: String { details.isEmpty ? message : "\(message): \(details)" }

  /// The same error with a prefix that names a larger unit: "network blue, plugin bridge: …".
  func prefixed(with prefix: String) -> CNIError { CNIError(code, "\(prefix): \(message)", details: details) }
}
