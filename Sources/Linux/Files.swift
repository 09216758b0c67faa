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
  ///   - durable: whether the file must survive a power loss.
  /// - Throws: the first error; the file is unchanged then.
  public static func replace(
    _ path: String, with bytes: [UInt8], mode: UInt32 = 0o644, through given: String? = nil, durable: Bool = false
  ) throws(KernelError) {
    let temporary = given ?? "\(path).\(getpid()).tmp"
    let file = try openTemporary(temporary, mode)
    do throws(KernelError) {
      try file.setMode(mode)  // whatever the runtime's umask
      try file.writeAll(bytes)
      if durable { try file.flush() }
      try moveOver(temporary, path)
    } catch {
      try? remove(temporary)  // report the first error
      throw error
    }
    if durable { try flushDirectory(of: path) }
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
      if error.isTemporary { throw error }
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

  /// Whether this process may execute the file.
  public static func isExecutable(_ path: String) -> Bool { unsafe access(path, X_OK) == 0 }
}

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

/// The state of a path at which a program keeps its own file.
public enum FileState: Equatable, Sendable {
  case missing
  case content([UInt8])
  /// A directory, a symbolic link, a FIFO, or a file that is too long.
  case other

  /// The content; `nil` if there is no regular file.
  public var bytes: [UInt8]? {
    guard case .content(let bytes) = self else { return nil }
    return bytes
  }
}

extension Files {
  /// The state of the path itself: follows no symbolic link, does not wait, and reads regular files only.
  public static func state(_ path: String, limit: Int = 1 << 20) throws(KernelError) -> FileState {
    let file: Descriptor
    do throws(KernelError) {
      file = try Descriptor.open(path, for: .inspecting)
    } catch {
      switch error.errno {
      case .ENOENT, .ENOTDIR: return .missing
      case .ELOOP, .ENXIO: return .other
      default: throw error
      }
    }
    guard try file.status().isRegular else { return .other }
    do throws(KernelError) {
      let bytes = try file.readAll(limit: limit + 1)
      return bytes.count <= limit ? .content(bytes) : .other
    } catch { throw KernelError(errno: error.errno, doing: "read \(path)") }
  }

  /// Removes a file, a symbolic link or an empty directory at the path.
  ///
  /// - Returns: `false` for a directory that is not empty, which stays.
  @discardableResult
  public static func clear(_ path: String) throws(KernelError) -> Bool {
    do throws(KernelError) {
      try remove(path)
      return true
    } catch  where error.errno == .EISDIR {}
    try removeEmptyDirectory(path)
    return !exists(path)
  }

  /// Makes new and removed names in the directory of `path` survive a power loss; equals `fsync(2)` of the directory.
  public static func flushDirectory(of path: String) throws(KernelError) {
    let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    try Descriptor.open(directory.isEmpty ? "/" : directory).flush()
  }
}

/// Creates files whose content is complete as soon as they have a name.
extension Files {
  /// Creates a file with this content and these extended attributes; it appears complete or not at all.
  ///
  /// Attributes are left out if the file system does not support them.
  ///
  /// - Throws: EEXIST if the name is taken.
  public static func create(
    _ name: String, in directory: String, _ bytes: [UInt8], attributes: [(String, [UInt8])] = []
  ) throws(KernelError) {
    let path = "\(directory)/\(name)"
    let raw = unsafe cl_open_unnamed(directory, 0o600)
    let file = raw >= 0 ? Descriptor(adopting: raw) : try createVisibly(path)
    do throws(KernelError) {
      try file.writeAll(bytes)
      for (name, value) in attributes {
        do throws(KernelError) { try file.setAttribute(name, value) } catch  where error.errno == .ENOTSUP {}
      }
    } catch {
      if raw < 0 { try? remove(path) }  // report the first error
      throw error
    }
    if raw >= 0 { _ = try call("create \(path)") { unsafe cl_link_unnamed(file.raw, path) } }
  }

  /// Creates a complete file by a rename, for directories that other programs watch: they ignore new hard links.
  ///
  /// - Parameters:
  ///   - name: the name, not in use there; until the file is complete it has a name with a leading dot and the suffix
  ///     `.tmp`.
  ///   - directory: the directory.
  ///   - bytes: the content.
  ///   - mode: the permissions; the umask does not apply.
  /// - Throws: EEXIST if the name is taken.
  public static func createByRename(
    _ name: String, to directory: String, _ bytes: [UInt8], mode: UInt32
  ) throws(KernelError) {
    let path = "\(directory)/\(name)", temporary = "\(directory)/.\(name).\(getpid()).tmp"
    let file = try Descriptor.open(temporary, for: .replacing, mode: mode)
    do throws(KernelError) {
      try file.setMode(mode)
      try file.writeAll(bytes)
      _ = try call("create \(path)") { unsafe cl_rename_to_new(temporary, path) }
    } catch {
      try? remove(temporary)  // report the first error
      throw error
    }
  }

  /// For file systems without unnamed files; a crash may then leave an empty file.
  private static func createVisibly(_ path: String) throws(KernelError) -> Descriptor {
    try Descriptor.open(path, for: .creating)
  }
}
