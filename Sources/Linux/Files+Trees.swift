import Glibc
public import NetTypes

extension Files {
  /// Removes the path, for a directory with all its content; follows no symbolic link.
  public static func removeTree(_ path: String) throws(KernelError) {
    guard let status = try statusOfLink(path) else { return }
    guard status.isDirectory else { return try remove(path) }
    for name in try list(path) ?? [] { try removeTree("\(path)/\(name)") }
    try removeEmptyDirectory(path)
  }

  /// Equals `rename(2)`: an existing `new` is replaced.
  public static func move(_ path: String, to new: String) throws(KernelError) {
    _ = try call("rename \(path) to \(new)") { unsafe rename(path, new) }
  }

  /// The status of the path, of a symbolic link itself (`lstat(2)`); `nil` if there is nothing.
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

  /// Whether the path is a directory; `false` for a link to one.
  public static func isDirectory(_ path: String) throws(KernelError) -> Bool {
    try statusOfLink(path)?.isDirectory == true
  }
}
