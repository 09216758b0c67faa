public import CNI

extension CNIError {
  /// Message and details in one line, without the code.
  public var text: String { details.isEmpty ? message : "\(message): \(details)" }

  /// The same error, told of a larger whole: "network blue, plugin bridge: …".
  func prefixed(with whole: String) -> CNIError { CNIError(code, "\(whole): \(message)", details: details) }
}
