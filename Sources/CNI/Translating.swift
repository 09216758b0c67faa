public import NetTypes

extension CNIError {
  /// What the system refused: code 11 if trying again may help, else `code`.
  public init(_ error: KernelError, as code: Code = .kernelRefused) {
    self.init(error.isTryAgain ? .tryAgainLater : code, error.description, details: "errno \(error.errno)")
  }
}

/// Runs `body`, its errors as the specification reports them.
public func translating<Value: ~Copyable>(
  as code: CNIError.Code = .kernelRefused, _ body: () throws(KernelError) -> Value
) throws(CNIError) -> Value {
  do throws(KernelError) { return try body() } catch { throw CNIError(error, as: code) }
}
