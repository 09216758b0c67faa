public import NetTypes

extension CNIError {
  /// What the kernel refused: code 11 if trying again may help, else code 100.
  public init(_ error: KernelError) {
    self.init(error, as: .kernelRefused)
    details = "errno \(error.errno)"
  }

  /// What the system refused: code 11 if trying again may help, else `code`.
  public init(_ error: KernelError, as code: Code) {
    self.init(error.isTryAgain ? .tryAgainLater : code, error.description)
  }
}

/// Runs `body`, its errors as the specification reports them.
public func convertingErrors<Value: ~Copyable>(_ body: () throws(KernelError) -> Value) throws(CNIError) -> Value {
  do throws(KernelError) { return try body() } catch { throw CNIError(error) }
}

/// Runs `body`; what the system refuses has that code.
public func convertingErrors<Value: ~Copyable>(
  as code: CNIError.Code, _ body: () throws(KernelError) -> Value
) throws(CNIError) -> Value {
  do throws(KernelError) { return try body() } catch { throw CNIError(error, as: code) }
}
