import Glibc
public import NetTypes

/// A lock on byte ranges of a file, also beyond its end: F_OFD_SETLK of fcntl(2).
///
/// It is held until the end of this value's lifetime or of the process.
public struct RangeLock: ~Copyable {
  private let file: Descriptor

  /// `F_OFD_SETLK` of `linux/fcntl.h`.
  private static let setLock: Int32 = 37
  private static let pauseMicroseconds = 5000

  /// Locks the ranges one after the other; waits for each for at most `seconds`.
  ///
  /// - Throws: EAGAIN if another process holds a part of a range all that time.
  public init(
    _ file: consuming Descriptor, _ ranges: [Range<Int64>], seconds: Int, doing operation: String
  ) throws(KernelError) {
    self.file = file
    for range in ranges { try Self.lock(self.file.raw, range, seconds, operation) }
  }

  private static func lock(
    _ raw: Int32, _ range: Range<Int64>, _ seconds: Int, _ operation: String
  ) throws(KernelError) {
    var wanted = Glibc.flock()
    wanted.l_type = Int16(F_WRLCK)
    (wanted.l_start, wanted.l_len) = (off_t(range.lowerBound), off_t(range.count))
    for _ in 0..<(seconds * 1_000_000 / pauseMicroseconds) {
      do throws(KernelError) {
        _ = try call(operation) { unsafe fcntl(raw, setLock, &wanted) }
        return
      } catch  where error.errno.isOne(of: .EAGAIN, .EACCES) { usleep(UInt32(pauseMicroseconds)) }
    }
    throw KernelError(errno: .EAGAIN, doing: operation)
  }
}
