import CNI
import NetTypes

/// The kernel's error as a CNI error.
func storeError(_ error: KernelError) -> CNIError {
  error.errno == .EAGAIN
    ? CNIError(.tryAgainLater, "\(error.operation): another process holds it")
    : CNIError(.leaseStore, error.description)
}

/// Runs `body` and translates its errors with `storeError`.
func withStoreErrors<Value: ~Copyable>(_ body: () throws(KernelError) -> Value) throws(CNIError) -> Value {
  do throws(KernelError) { return try body() } catch { throw storeError(error) }
}

/// Adds the path to the error if the operation does not have it.
func withPathInErrors<Value: ~Copyable>(
  _ path: String, _ body: () throws(KernelError) -> Value
) throws(KernelError) -> Value {
  do throws(KernelError) {
    return try body()
  } catch {
    guard !error.operation.containsText(path) else { throw error }
    throw KernelError("\(error.operation) \(path)", errno: error.errno, reason: error.reason)
  }
}
