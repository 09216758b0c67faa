import Glibc
public import NetTypes

/// The state of a path at which a program keeps its own file.
public enum StateFile: Equatable, Sendable {
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
  public static func state(_ path: String, limit: Int = 1 << 20) throws(KernelError) -> StateFile {
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
