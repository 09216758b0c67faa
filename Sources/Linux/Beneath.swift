import CLinux
import Glibc
public import NetTypes

/// Files below a directory, opened without following a symbolic link and without leaving the directory.
///
/// Every path here is relative; the error is ELOOP for a symbolic link in the path, and EXDEV for a path that leaves it.
extension Descriptor {
  /// Opens a directory with O_PATH, to reach files below it; symbolic links in its own path are followed.
  public static func directory(_ path: String) throws(KernelError) -> Descriptor {
    try open(path, flags: Int32(CL_O_PATH) | O_DIRECTORY, mode: 0)
  }

  public borrowing func directory(below path: String) throws(KernelError) -> Descriptor {
    try open(below: path, flags: Int32(CL_O_PATH) | O_DIRECTORY, mode: 0)
  }

  /// Opens `path` with O_PATH, whatever its type: only for its status, so this does not wait for a FIFO's other end.
  public borrowing func openForStatus(below path: String) throws(KernelError) -> Descriptor {
    try open(below: path, flags: Int32(CL_O_PATH) | O_NOFOLLOW, mode: 0)
  }

  /// Opens the file behind an O_PATH descriptor, for reading and writing.
  ///
  /// - Throws: EAGAIN if another process holds a lease (`F_SETLEASE`) on it; this does not wait for the lease.
  public borrowing func openForWriting() throws(KernelError) -> Descriptor {
    try Descriptor.open("/proc/self/fd/\(raw)", flags: O_RDWR | O_NONBLOCK, mode: 0)
  }

  /// Creates a file for reading and writing, with exactly these permissions, whatever the umask.
  ///
  /// - Throws: EEXIST if the name is taken.
  public borrowing func create(below path: String, mode: UInt32) throws(KernelError) -> Descriptor {
    let file = try open(below: path, flags: O_RDWR | O_CREAT | O_EXCL, mode: mode)
    _ = try call("set permissions of \(path)") { fchmod(file.raw, mode) }
    return file
  }

  /// - Returns: whether the directory was created; `false` if the name is taken.
  public borrowing func makeDirectory(below name: String, mode: UInt32) throws(KernelError) -> Bool {
    do throws(KernelError) {
      _ = try call("make directory \(name)") { unsafe mkdirat(raw, name, mode) }
    } catch  where error.errno == .EEXIST { return false }
    _ = try call("set permissions of \(name)") { unsafe fchmodat(raw, name, mode, 0) }
    return true
  }

  /// Removes the file; no-op if there is none.
  public borrowing func remove(below name: String) throws(KernelError) {
    do throws(KernelError) {
      _ = try call("remove \(name)") { unsafe unlinkat(raw, name, 0) }
    } catch  where error.errno == .ENOENT {}
  }

  private borrowing func open(below path: String, flags: Int32, mode: UInt32) throws(KernelError) -> Descriptor {
    let opened = try call("open \(path)") { unsafe cl_open_beneath(raw, path, flags, mode) }
    return Descriptor(adopting: Int32(opened))
  }
}
