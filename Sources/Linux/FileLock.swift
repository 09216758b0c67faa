import CLinux
import Glibc
public import NetTypes

/// A `flock(2)` lock, held until the end of this value's lifetime.
@frozen public struct FileLock: ~Copyable {
  private let raw: Int32

  /// Takes the lock of an open file; waits for at most `seconds`.
  ///
  /// - Throws: EAGAIN if another process held it all that time.
  public init(
    _ file: consuming Descriptor, exclusively: Bool = true, seconds: Int, doing operation: @autoclosure () -> String
  ) throws(KernelError) {
    _ = try call(operation()) { [raw = file.raw] in
      cl_flock_within(raw, exclusively ? LOCK_EX : LOCK_SH, Int32(seconds))
    }
    // Set last: `deinit` also runs if an initializer throws after the last property is set; `file` would then be closed twice.
    raw = file.raw
    file.keepOpen()
  }

  deinit {
    // Closing is not enough: a child forked by another thread keeps the open file, and so the lock, until its exec.
    flock(raw, LOCK_UN)
    close(raw)
  }

  /// Holds the lock until the process ends.
  public consuming func holdUntilExit() { discard self }
}

extension Descriptor {
  /// Opens a file for locking, and creates it if it is missing.
  ///
  /// A directory at that path is locked like a file. A symbolic link is replaced by a file, except if links are followed
  /// and its target exists. The target of a link is never created.
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
