import Glibc
public import NetTypes

/// Entries of one of our directories, in which other objects may be in the place of our files and directories.
///
/// Links are not followed, and FIFOs are not waited for.
public enum StateEntries {
  /// The content of a regular file; `nil` if the name does not exist.
  ///
  /// - Throws: EBADMSG if there is another type of object.
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
