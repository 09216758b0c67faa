import Glibc
public import Kernel

/// Entries of a directory of ours, where other things than our own files and directories may be: links, FIFOs, directories.
///
/// None of these is waited for or followed.
public enum StateEntries {
  /// A whole regular file; `nil` if there is nothing of that name.
  ///
  /// - Throws: EBADMSG if there is something else.
  public static func readFile(_ path: String, limit: Int = 16 << 20) throws(KernelError) -> [UInt8]? {
    do throws(KernelError) {
      let file = try Descriptor.open(path, for: .inspecting)
      guard try file.status().isRegular else { throw noFile(path) }
      let bytes = try file.readAll(limit: limit + 1)
      guard bytes.count <= limit else { throw noFile(path) }
      return bytes
    } catch {
      switch error.errno {
      case ENOENT, ENOTDIR: return nil
      case ELOOP, ENXIO: throw noFile(path)
      default: throw error
      }
    }
  }

  private static func noFile(_ path: String) -> KernelError {
    KernelError("read \(path)", errno: EBADMSG, reason: "want a regular file")
  }

  /// Whether it is a directory, and not a link to one.
  public static func isDirectory(_ path: String) throws(KernelError) -> Bool {
    var info = stat()
    do throws(KernelError) {
      _ = try call("stat \(path)") { unsafe lstat(path, &info) }
    } catch {
      if error.errno == ENOENT || error.errno == ENOTDIR { return false }
      throw error
    }
    return info.st_mode & S_IFMT == S_IFDIR
  }

  /// Makes a directory whose parent is there; whatever else has its name is renamed to `PATH.broken`.
  ///
  /// - Returns: whether something was renamed.
  public static func makeDirectory(_ path: String, mode: UInt32) throws(KernelError) -> Bool {
    for _ in 0..<10 {
      do throws(KernelError) {
        _ = try call("make directory \(path)") { unsafe mkdir(path, mode) }
        return false
      } catch {
        guard error.errno == EEXIST else { throw error }
        if try isDirectory(path) { return false }
      }
      if try setAside(path) {
        try Files.makeDirectories(path, mode: mode)
        return true
      }
    }
    throw KernelError(errno: EEXIST, doing: "make directory \(path)")
  }

  /// What the name of what was set aside ends in.
  public static let suffix = ".broken"

  /// Renames whatever has that name to `PATH.broken`, in the place of what was set aside before; false if there is nothing.
  public static func setAside(_ path: String) throws(KernelError) -> Bool {
    let aside = path + suffix
    try remove(aside)
    do throws(KernelError) {
      _ = try call("rename \(path) to \(aside)") { unsafe rename(path, aside) }
      return true
    } catch {
      guard error.errno == ENOENT else { throw error }
      return false
    }
  }

  /// Removes whatever has that name, with what is in it, without following links.
  ///
  /// Nothing happens if there is nothing.
  public static func remove(_ path: String) throws(KernelError) {
    guard try isDirectory(path) else { return try Files.remove(path) }
    for name in try Files.list(path) ?? [] { try remove("\(path)/\(name)") }
    try Files.removeEmptyDirectory(path)
  }
}
