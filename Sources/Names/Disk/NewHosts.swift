import Glibc
import Linux
import NetTypes

/// A hosts file that is complete but not yet linked under its name, so that no process reads half of it.
struct NewHosts: ~Copyable {
  private let directory: Descriptor
  private let file: Descriptor
  private let name: String
  /// Its temporary name on a file system without `O_TMPFILE`.
  private let interim: String?
  let identity: KnownFile

  /// The temporary path on a file system without `O_TMPFILE`.
  static func interim(_ path: ContainerPath) -> ContainerPath {
    ContainerPath(base: path.base, below: path.below.dropLast() + ["\(path.fileName).new"], key: path.key)
  }

  /// Writes the lines to an unnamed file; creates missing parent directories.
  static func write(_ lines: [String], at path: ContainerPath) throws(KernelError) -> NewHosts {
    let directory = try SafePath(path).parent(making: true)
    let file: Descriptor
    let interim: String?
    do throws(KernelError) {
      file = try Descriptor.openUnnamed(in: "/proc/self/fd/\(directory.raw)", mode: 0o644)
      interim = nil
    } catch  where error.errno == .EOPNOTSUPP || error.errno == .EISDIR {
      let name = Self.interim(path).fileName
      try directory.remove(below: name)
      file = try directory.create(below: name, mode: 0o644)
      interim = name
    }
    try file.setMode(0o644)
    try file.writeAll(HostsText.appended(lines, at: 0))
    let status = try file.status()
    let identity = KnownFile(path: path.description, device: status.device, inode: status.inode)
    return NewHosts(directory: directory, file: file, name: path.fileName, interim: interim, identity: identity)
  }

  /// Links the file under its name.
  ///
  /// - Throws: EEXIST if another file was created there.
  consuming func appear() throws(KernelError) {
    try file.link(as: "/proc/self/fd/\(directory.raw)/\(name)")
    if let interim { try directory.remove(below: interim) }
  }
}

extension SafePath {
  /// The identity of the file, without opening it; `nil` if it does not exist.
  func found() throws(KernelError) -> KnownFile? {
    guard let status = try regularStatus() else { return nil }
    return KnownFile(path: path.description, device: status.device, inode: status.inode)
  }
}
