import CLinux
import Glibc

/// Runs `body` on a new thread in a new network namespace, and returns its result.
///
/// Use `#expect` only on the result, not in `body`: Swift Testing cannot assign an expectation that fails on a foreign
/// thread to a test, and reports the test as passed.
///
/// - Parameter body: gets the path of a second new namespace, the container's.
/// - Returns: what `body` returned.
/// - Throws: what `body` threw.
public func inFreshNamespace<Value: Sendable>(_ body: @escaping @Sendable (String) throws -> Value) throws -> Value {
  let work = Work(body)
  var thread = pthread_t()
  let status = unsafe pthread_create(&thread, nil, runWork, Unmanaged.passRetained(work).toOpaque())
  guard status == 0 else { throw CannotUnshare(errno: status) }
  pthread_join(thread, nil)
  guard let value = try work.outcome?.get() as? Value else { throw CannotUnshare(errno: 0) }
  return value
}

private final class Work: @unchecked Sendable {
  let body: (String) throws -> any Sendable
  var outcome: Result<any Sendable, any Error>?
  init(_ body: @escaping (String) throws -> any Sendable) { self.body = body }
}

private struct CannotUnshare: Error { let errno: Int32 }

private func runWork(_ raw: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let raw = unsafe raw else { return nil }
  let work = unsafe Unmanaged<Work>.fromOpaque(raw).takeRetainedValue()
  work.outcome = Result {
    let container = try newNamespace()
    defer { close(container) }
    close(try newNamespace())
    return try work.body("/proc/self/fd/\(container)")
  }
  return nil
}

/// Moves this thread into a new network namespace, and returns a descriptor that holds it open.
private func newNamespace() throws -> Int32 {
  guard cl_unshare_net() == 0 else { throw CannotUnshare(errno: errno) }
  return unsafe cl_open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC, 0)
}
