import Glibc
public import NetTypes

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
      case .ENOENT, .ENOTDIR: return nil
      case .ELOOP, .ENXIO: throw noFile(path)
      default: throw error
      }
    }
  }

  private static func noFile(_ path: String) -> KernelError {
    KernelError("read \(path)", errno: .EBADMSG, reason: "want a regular file")
  }
}
