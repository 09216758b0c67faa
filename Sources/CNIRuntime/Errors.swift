public import CNI
public import NetTypes

extension CNIError {
  /// Message and details in one line, without the code.
  public var text: String { details.isEmpty ? message : "\(message): \(details)" }

  /// The same error, told of a larger whole: "network blue, plugin bridge: …".
  func prefixed(with whole: String) -> CNIError { CNIError(code, "\(whole): \(message)", details: details) }

  /// What the system refused, as an error of that code.
  public init(_ code: Code = .ioFailure, _ error: KernelError) { self.init(code, "\(error)") }
}
