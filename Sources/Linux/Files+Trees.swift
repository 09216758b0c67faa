import Glibc
public import NetTypes

extension Files {
  /// Removes what is at the path, a directory with all that is in it; follows no symbolic link.
  public static func removeTree(_ path: String) throws(KernelError) {
    guard let status = try statusOfLink(path) else { return }
    guard status.isDirectory else { return try remove(path) }
    for name in try list(path) ?? [] { try removeTree("\(path)/\(name)") }
    try removeEmptyDirectory(path)
  }

  /// Equals `rename(2)`: what is at `new` is replaced.
  public static func move(_ path: String, to new: String) throws(KernelError) {
    _ = try call("rename \(path) to \(new)") { unsafe rename(path, new) }
  }

  /// Of a symbolic link itself; `nil` where there is nothing.
  public static func statusOfLink(_ path: String) throws(KernelError) -> FileStatus? {
    var info = stat()
    do throws(KernelError) {
      _ = try call("stat \(path)") { unsafe lstat(path, &info) }
    } catch {
      if error.errno == .ENOENT || error.errno == .ENOTDIR { return nil }
      throw error
    }
    return FileStatus(info)
  }

  /// Whether it is a directory, and not a link to one.
  public static func isDirectory(_ path: String) throws(KernelError) -> Bool {
    try statusOfLink(path)?.isDirectory == true
  }
}
