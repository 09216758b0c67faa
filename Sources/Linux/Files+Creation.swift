import CLinux
import Glibc
public import NetTypes

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
  public static func moveIn(
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
