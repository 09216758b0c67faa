import Glibc
public import NetTypes

extension KernelError {
  /// The system's text for `errno`.
  public init(errno: Errno, doing operation: String) {
    self.init(operation, errno: errno, reason: unsafe String(cString: strerror(errno.rawValue)))
  }
}

/// Makes a system call again as long as a signal interrupts it.
///
/// - Throws: its errno where it returns less than 0.
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

extension Errno {
  /// What the last system call of this thread left.
  public static var last: Errno { Errno(errno) }
}
