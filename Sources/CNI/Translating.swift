public import CNI
public import NetTypes

extension CNIError {
  /// What the kernel refused: code 11 where trying again may help, else code 100.
  public init(_ error: KernelError) {
    self.init(error.isTryAgain ? .tryAgainLater : .kernelRefused, error.description, details: "errno \(error.errno)")
  }
}

/// Runs `body`, its errors as the specification reports them.
public func translating<Value: ~Copyable>(_ body: () throws(KernelError) -> Value) throws(CNIError) -> Value {
  do throws(KernelError) { return try body() } catch { throw CNIError(error) }
}

extension KernelError {
  /// EAGAIN on Linux, which a target without Glibc cannot name.
  private static let tryAgain: Int32 = 11

  public var isTryAgain: Bool { errno == Self.tryAgain }
}
