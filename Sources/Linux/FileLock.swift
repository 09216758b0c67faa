import CLinux
import Glibc
public import NetTypes

/// A `flock(2)`, held until this value goes.
public struct FileLock: ~Copyable {
  private let raw: Int32

  /// Takes the lock of an open file, waiting for at most `seconds`.
  ///
  /// - Throws: EAGAIN where somebody else held it all that time.
  public init(
    _ file: consuming Descriptor, exclusively: Bool = true, seconds: Int, doing operation: @autoclosure () -> String
  ) throws(KernelError) {
    _ = try call(operation()) { [raw = file.raw] in
      cl_flock_within(raw, exclusively ? LOCK_EX : LOCK_SH, Int32(seconds))
    }
    // Only now: `deinit` runs too if an initializer throws after the last property is set, and `file` is closed as well.
    raw = file.raw
    file.keepOpen()
  }

  deinit {
    // Closing is not enough: a child that another thread has forked keeps the file open until its exec.
    flock(raw, LOCK_UN)
    close(raw)
  }

  /// Holds it until the process ends.
  public consuming func keep() { discard self }
}

extension Descriptor {
  /// A file to lock, made where it is missing.
  ///
  /// A directory in its place is locked as well as a file. A symbolic link gives way to a file, unless it is followed and
  /// leads to something: nothing is made where it leads.
  public static func openLock(
    _ path: String, mode: UInt32 = 0o600, followingLinks: Bool = false
  ) throws(KernelError) -> Descriptor {
    for _ in 0..<5 {
      do throws(KernelError) { return try open(path, for: .inspecting) } catch {
        switch error.errno {
        case .ENOENT: break
        case .ELOOP where followingLinks && Files.exists(path): return try open(path, for: .reading)
        case .ELOOP, .ENXIO: try Files.remove(path)
        default: throw error
        }
      }
      do throws(KernelError) {
        return try open(path, flags: O_RDWR | O_CREAT | O_EXCL, mode: mode)
      } catch  where error.errno == .EEXIST {}  // another process was faster
    }
    throw KernelError(errno: .ELOOP, doing: "open \(path)")
  }
}
