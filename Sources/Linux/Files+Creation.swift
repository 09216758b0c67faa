import CLinux
import Glibc
public import NetTypes

/// New files that appear whole.
extension Files {
  /// Makes a file with this content and these extended attributes appear whole, or not at all.
  ///
  /// Attributes are left out where the file system has none.
  ///
  /// - Throws: EEXIST where the name is taken.
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
      if raw < 0 { try? remove(path) }  // the first error is thrown
      throw error
    }
    if raw >= 0 { _ = try call("create \(path)") { unsafe cl_link_unnamed(file.raw, path) } }
  }

  /// Makes a whole file come by a rename into a directory that other programs watch: they pass over new links.
  ///
  /// - Parameters:
  ///   - name: must be new there; until the file is whole it has one that begins with a dot and ends in `.tmp`.
  ///   - directory: where.
  ///   - bytes: what will be in it.
  ///   - mode: its permissions; the umask does not apply.
  /// - Throws: EEXIST where the name is taken.
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
      try? remove(temporary)  // the first error is thrown
      throw error
    }
  }

  /// For file systems without nameless files; a crash may then leave an empty one.
  private static func createVisibly(_ path: String) throws(KernelError) -> Descriptor {
    try Descriptor.open(path, for: .creating)
  }
}
