import CLinux
import Glibc
public import NetTypes

/// Files and directories by path.
///
/// Every error names the path.
public enum Files {
  /// The content of a file.
  ///
  /// - Throws: EFBIG if the file has more than `limit` bytes.
  public static func read(_ path: String, limit: Int = 16 << 20) throws(KernelError) -> [UInt8] {
    let bytes = try Descriptor.open(path).readAll(limit: limit + 1)
    guard bytes.count <= limit else { throw KernelError(errno: .EFBIG, doing: "read \(path)") }
    return bytes
  }

  /// The content of a file; `nil` if there is none.
  public static func readIfPresent(_ path: String) throws(KernelError) -> [UInt8]? {
    do throws(KernelError) {
      return try read(path)
    } catch {
      if error.errno == .ENOENT || error.errno == .ENOTDIR { return nil }
      throw error
    }
  }

  /// Replaces a file in one step: readers see the old content or the new one.
  ///
  /// A symbolic link or an empty directory at the path is replaced as well.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - bytes: the new content.
  ///   - mode: the permissions.
  ///   - given: the temporary name; by default one that only this process uses.
  ///   - lasting: whether the file must survive a power loss.
  /// - Throws: the first error; the file is unchanged then.
  public static func replace(
    _ path: String, with bytes: [UInt8], mode: UInt32 = 0o644, through given: String? = nil, lasting: Bool = false
  ) throws(KernelError) {
    let temporary = given ?? "\(path).\(getpid()).tmp"
    let file = try openTemporary(temporary, mode)
    do throws(KernelError) {
      try file.setMode(mode)  // whatever the runtime's umask
      try file.writeAll(bytes)
      if lasting { try file.flush() }
      try moveOver(temporary, path)
    } catch {
      try? remove(temporary)  // report the first error
      throw error
    }
    if lasting { try flushDirectory(of: path) }
  }

  private static func openTemporary(_ path: String, _ mode: UInt32) throws(KernelError) -> Descriptor {
    do throws(KernelError) {
      return try Descriptor.open(path, for: .replacing, mode: mode)
    } catch  where error.errno.isOne(of: .ELOOP, .EISDIR, .ENXIO) {
      guard try clear(path) else { throw error }
      return try Descriptor.open(path, for: .creating, mode: mode)
    }
  }

  /// Renames a file, and replaces a file or an empty directory at the new name.
  public static func moveOver(_ temporary: String, _ path: String) throws(KernelError) {
    do throws(KernelError) {
      _ = try call("rename \(temporary) to \(path)") { unsafe rename(temporary, path) }
    } catch  where error.errno == .EISDIR {
      guard try clear(path) else { throw error }
      _ = try call("rename \(temporary) to \(path)") { unsafe rename(temporary, path) }
    }
  }

  /// Writes a line to an existing file of `/proc/sys` or `/sys`; without a newline the kernel would ignore an empty text.
  public static func overwrite(_ path: String, with text: String) throws(KernelError) {
    let file = try Descriptor.open(path, flags: O_WRONLY, mode: 0)
    do throws(KernelError) {
      try file.writeAll(Array((text + "\n").utf8))
    } catch {
      throw KernelError(errno: error.errno, doing: "write \(text) to \(path)")
    }
  }

  /// - Throws: ENODATA if the attribute is missing, ENOTSUP if the file system does not support attributes.
  public static func attribute(_ name: String, of path: String) throws(KernelError) -> [UInt8] {
    var value = [UInt8](repeating: 0, count: 4096)
    let count = try call("read attribute \(name) of \(path)") {
      unsafe cl_get_attribute(path, name, &value, value.count)
    }
    return Array(value[..<count])
  }

  /// Removes the file; no-op if there is none.
  public static func remove(_ path: String) throws(KernelError) {
    do throws(KernelError) {
      _ = try call("remove \(path)") { unsafe unlink(path) }
    } catch  where error.errno == .ENOENT {}
  }

  /// Removes the directory; no-op if there is none or if it is not empty.
  public static func removeEmptyDirectory(_ path: String) throws(KernelError) {
    do throws(KernelError) {
      _ = try call("remove \(path)") { unsafe rmdir(path) }
    } catch  where error.errno == .ENOENT || error.errno == .ENOTEMPTY {}
  }

  /// Creates the directory and its parents, if they are missing; the umask does not apply.
  ///
  /// The directory gets the permissions `mode`; its parents, which other programs use too, get 0755.
  public static func makeDirectories(_ path: String, mode: UInt32 = 0o755) throws(KernelError) {
    do throws(KernelError) {
      try makeDirectory(path, mode: mode)
    } catch  where error.errno == .ENOENT {
      guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { throw error }
      try makeDirectories(String(path[..<slash]))
      try makeDirectory(path, mode: mode)
    }
  }

  /// Creates one directory; no-op if it exists, perhaps created by another process just before.
  private static func makeDirectory(_ path: String, mode: UInt32) throws(KernelError) {
    do throws(KernelError) {
      _ = try call("make directory \(path)") { unsafe mkdir(path, mode) }
    } catch  where error.errno == .EEXIST { return }
    _ = try call("set permissions of \(path)") { unsafe chmod(path, mode) }  // whatever the runtime's umask
  }

  /// The names in a directory, unsorted, without `.` and `..`; `nil` if there is no such directory.
  public static func list(_ path: String) throws(KernelError) -> [String]? {
    var names: [String] = []
    let isThere = try visit(path) {
      names.append($0)
      return true
    }
    return isThere ? names : nil
  }

  /// Whether the directory has a name for which `fits` is true; stops at the first one.
  public static func hasName(in path: String, where fits: (String) -> Bool) throws(KernelError) -> Bool {
    var found = false
    _ = try visit(path) {
      found = fits($0)
      return !found
    }
    return found
  }

  /// Calls `body` with each name in a directory until it returns `false`.
  ///
  /// - Returns: whether there is such a directory.
  private static func visit(_ path: String, _ body: (String) -> Bool) throws(KernelError) -> Bool {
    guard let directory = unsafe opendir(path) else {
      let error = Errno.last
      if error == .ENOENT { return false }
      throw KernelError(errno: error, doing: "list \(path)")
    }
    defer { unsafe closedir(directory) }
    while true {
      errno = 0
      guard let entry = unsafe readdir(directory) else {
        let error = Errno.last
        if error != .none { throw KernelError(errno: error, doing: "list \(path)") }
        break
      }
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != ".", name != "..", !body(name) { break }
    }
    return true
  }

  /// The status of the file, after symbolic links (`stat(2)`); `nil` if there is none.
  public static func status(_ path: String) throws(KernelError) -> FileStatus? {
    var info = stat()
    do throws(KernelError) {
      _ = try call("stat \(path)") { unsafe stat(path, &info) }
    } catch {
      if error.errno == .ENOENT || error.errno == .ENOTDIR { return nil }
      throw error
    }
    return FileStatus(info)
  }

  /// The target of a symbolic link; `nil` if the path is not a link or may not be read.
  ///
  /// - Throws: a temporary error.
  public static func linkTarget(_ path: String) throws(KernelError) -> String? {
    do throws(KernelError) { return try target(ofLink: path) } catch {
      if error.mayPass { throw error }
      return nil
    }
  }

  /// The target of a symbolic link.
  ///
  /// - Throws: EINVAL if the path is not a symbolic link.
  public static func target(ofLink path: String) throws(KernelError) -> String {
    var target = [CChar](repeating: 0, count: 4096)
    let count = try call("read link \(path)") { unsafe readlink(path, &target, target.count) }
    return String(decoding: target[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  public static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }
}
