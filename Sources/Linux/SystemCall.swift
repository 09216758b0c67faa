import Glibc
public import NetTypes

extension KernelError {
  /// An error with the C library's text for `errno`.
  public init(errno: Errno, doing operation: String) {
    self.init(operation, errno: errno, reason: unsafe String(cString: strerror(errno.rawValue)))
  }
}

/// Makes a system call, and repeats it while a signal interrupts it (EINTR).
///
/// - Throws: its errno if it returns less than 0.
func call<Result: FixedWidthInteger>(
  _ operation: @autoclosure () -> String, _ body: () -> Result
) throws(KernelError) -> Int {
  while true {
    let result = body()
    if result >= 0 { return Int(result) }
    let error = Errno.last
    guard error == .EINTR else { throw KernelError(errno: error, doing: operation()) }
  }
}

/// Calls a system call that writes at most `capacity` bytes to memory and returns their number, such as read(2).
///
/// - Returns: what it wrote. The rest of the memory is not touched, so a large capacity costs nothing.
/// - Throws: its errno if it returns less than 0.
func bytes(
  atMost capacity: Int, _ operation: @autoclosure () -> String, _ body: (UnsafeMutableRawPointer?) -> Int
) throws(KernelError) -> [UInt8] {
  var failure: KernelError?
  let bytes = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { (buffer, count) in
    do throws(KernelError) {
      count = try call(operation()) { unsafe body(buffer.baseAddress) }
    } catch { failure = error }
  }
  if let failure { throw failure }
  return bytes
}

extension Errno {
  /// The errno of this thread's last failed system call.
  public static var last: Errno { Errno(errno) }
}
