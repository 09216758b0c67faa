import Glibc
public import NetTypes

/// What a program finds where it keeps a file of its own.
public enum StateFile: Equatable, Sendable {
  case missing
  case content([UInt8])
  /// A directory, a symbolic link, a FIFO, a file that is far too long.
  case other

  /// `nil` for what is no file.
  public var bytes: [UInt8]? {
    guard case .content(let bytes) = self else { return nil }
    return bytes
  }
}

extension Files {
  /// What is at the path itself: no symbolic link is followed, nothing is waited for, and only a file is read.
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

  /// Removes what is at the path: a file, a symbolic link, an empty directory.
  ///
  /// - Returns: false for a directory that holds something, which stays.
  @discardableResult
  public static func clear(_ path: String) throws(KernelError) -> Bool {
    do throws(KernelError) {
      try remove(path)
      return true
    } catch  where error.errno == .EISDIR {}
    try removeEmptyDirectory(path)
    return !exists(path)
  }

  /// Makes names in the directory of `path` survive a loss of power.
  public static func flushDirectory(of path: String) throws(KernelError) {
    let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    try Descriptor.open(directory.isEmpty ? "/" : directory).flush()
  }
}
