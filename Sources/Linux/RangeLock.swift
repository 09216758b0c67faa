import Glibc
public import NetTypes

/// A lock of ranges of a file's bytes, there or not: fcntl(2), F_OFD_SETLK.
///
/// It lasts as long as this value, and no longer than the process.
public struct RangeLock: ~Copyable {
  private let file: Descriptor

  /// `F_OFD_SETLK` of `linux/fcntl.h`.
  private static let setLock: Int32 = 37
  private static let pauseMicroseconds = 5000

  /// Locks one range after the other, waiting for each at most `seconds`.
  ///
  /// - Throws: EAGAIN where another process has a part of one all that time.
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
