import CLinux
import Glibc
public import NetTypes

/// What lies below a directory, reached without following a symbolic link and without leaving it.
///
/// Every path here is relative; ELOOP tells of a symbolic link on the way, EXDEV of a way out.
extension Descriptor {
  /// A directory, only to reach what is below it; symbolic links on the way to it are followed.
  public static func directory(_ path: String) throws(KernelError) -> Descriptor {
    try open(path, flags: Int32(CL_O_PATH) | O_DIRECTORY, mode: 0)
  }

  public borrowing func directory(below path: String) throws(KernelError) -> Descriptor {
    try open(below: path, flags: Int32(CL_O_PATH) | O_DIRECTORY, mode: 0)
  }

  /// What stands at `path`, whatever it is: only its status can be asked, so nobody waits for a FIFO's other end.
  public borrowing func glance(below path: String) throws(KernelError) -> Descriptor {
    try open(below: path, flags: Int32(CL_O_PATH) | O_NOFOLLOW, mode: 0)
  }

  /// The file that a glance fell on, for reading and writing.
  ///
  /// - Throws: EAGAIN where another process holds a lease (`F_SETLEASE`) on it, which nothing here waits for.
  public borrowing func reopened() throws(KernelError) -> Descriptor {
    try Descriptor.open("/proc/self/fd/\(raw)", flags: O_RDWR | O_NONBLOCK, mode: 0)
  }

  /// A new file for reading and writing, with these permissions whatever the umask is.
  ///
  /// - Throws: EEXIST where the name is taken.
  public borrowing func create(below path: String, mode: UInt32) throws(KernelError) -> Descriptor {
    let file = try open(below: path, flags: O_RDWR | O_CREAT | O_EXCL, mode: mode)
    _ = try call("set permissions of \(path)") { fchmod(file.raw, mode) }
    return file
  }

  /// - Returns: whether it was made; not where there was something of that name.
  public borrowing func makeDirectory(below name: String, mode: UInt32) throws(KernelError) -> Bool {
    do throws(KernelError) {
      _ = try call("make directory \(name)") { unsafe mkdirat(raw, name, mode) }
    } catch  where error.errno == .EEXIST { return false }
    _ = try call("set permissions of \(name)") { unsafe fchmodat(raw, name, mode, 0) }
    return true
  }

  /// Nothing happens where there is no such file.
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
