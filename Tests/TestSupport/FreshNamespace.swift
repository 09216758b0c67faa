import CLinux
import Glibc
public import Testing

extension Trait where Self == ConditionTrait {
  /// Skips where network namespaces cannot be made, unless `CNI_KERNEL_TESTS` is set.
  ///
  /// `make check` sets it, so there the tests run, and fail rather than hide.
  public static var needsKernel: Self {
    .enabled("needs root: make check") {
      unsafe getenv("CNI_KERNEL_TESTS") != nil || geteuid() == 0
    }
  }
}

/// Runs `body` on a thread of its own in a new network namespace, and returns what it returned.
///
/// Only look and change in `body`; `#expect` on what comes back. An expectation that fails on a foreign thread belongs
/// to no test, and the test it sits in is then reported as passed.
///
/// - Parameter body: gets the path of a second new namespace, the container's.
/// - Returns: what `body` returned.
/// - Throws: what `body` threw.
public func inFreshNamespace<Value: Sendable>(_ body: @escaping @Sendable (String) throws -> Value) throws -> Value {
  let work = Work(body)
  var thread = pthread_t()
  let status = unsafe pthread_create(&thread, nil, runWork, Unmanaged.passRetained(work).toOpaque())
  try #require(status == 0, "pthread_create")
  pthread_join(thread, nil)
  return try #require(work.outcome?.get() as? Value)
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

/// Moves this thread into a new namespace and holds it open.
private func newNamespace() throws -> Int32 {
  guard cl_unshare_net() == 0 else { throw CannotUnshare(errno: errno) }
  return unsafe cl_open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC, 0)
}
