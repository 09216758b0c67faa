import Glibc
import Linux
import NetTypes

/// A hosts file that is complete but not yet linked under its name, so that no process reads half of it.
struct NewHostsFile: ~Copyable {
  private let directory: Descriptor
  private let file: Descriptor
  private let name: String
  /// Its temporary name on a file system without `O_TMPFILE`.
  private let temporaryName: String?
  let identity: FileReference

  /// The temporary path on a file system without `O_TMPFILE`.
  static func temporaryPath(_ path: ContainerPath) -> ContainerPath {
    ContainerPath(base: path.base, below: path.below.dropLast() + ["\(path.fileName).new"], key: path.key)
  }

  /// Writes the lines to an unnamed file; creates missing parent directories.
  static func write(_ lines: [String], at path: ContainerPath) throws(KernelError) -> NewHostsFile {
    let directory = try SafePath(path).parent(createIfMissing: true)
    let file: Descriptor
    let temporaryName: String?
    do throws(KernelError) {
      file = try Descriptor.openUnnamed(in: "/proc/self/fd/\(directory.raw)", mode: 0o644)
      temporaryName = nil
    } catch  where error.errno == .EOPNOTSUPP || error.errno == .EISDIR {
      let name = Self.temporaryPath(path).fileName
      try directory.remove(below: name)
      file = try directory.create(below: name, mode: 0o644)
      temporaryName = name
    }
    try file.setMode(0o644)
    try file.writeAll(HostsText.appended(lines, at: 0))
    let status = try file.status()
    let identity = FileReference(path: path.description, device: status.device, inode: status.inode)
    return NewHostsFile(
      directory: directory, file: file, name: path.fileName, temporaryName: temporaryName, identity: identity)
  }

  /// Links the file under its name.
  ///
  /// - Throws: EEXIST if another file was created there.
  consuming func link() throws(KernelError) {
    try file.link(as: "/proc/self/fd/\(directory.raw)/\(name)")
    if let temporaryName { try directory.remove(below: temporaryName) }
  }
}

extension SafePath {
  /// The identity of the file, without opening it; `nil` if it does not exist.
  func fileReference() throws(KernelError) -> FileReference? {
    guard let status = try regularStatus() else { return nil }
    return FileReference(path: path.description, device: status.device, inode: status.inode)
  }
}
