import CNI
import NetTypes

/// The kernel's refusal as an error of the specification.
func storeError(_ error: KernelError) -> CNIError {
  error.errno == .EAGAIN
    ? CNIError(.tryAgainLater, "\(error.operation): another process holds it")
    : CNIError(.leaseStore, error.description)
}

/// Runs `body`, its errors as `storeError` puts them.
func storing<Value: ~Copyable>(_ body: () throws(KernelError) -> Value) throws(CNIError) -> Value {
  do throws(KernelError) { return try body() } catch { throw storeError(error) }
}

/// Says in the error which file it was, where the operation does not.
func naming<Value: ~Copyable>(
  _ path: String, _ body: () throws(KernelError) -> Value
) throws(KernelError) -> Value {
  do throws(KernelError) {
    return try body()
  } catch {
    guard !error.operation.contains(path) else { throw error }
    throw KernelError("\(error.operation) \(path)", errno: error.errno, reason: error.reason)
  }
}
