import Glibc
import Linux
import NetTypes

/// A hosts file that is written but not yet seen under its name, so that no process reads half of it.
struct NewHosts: ~Copyable {
  private let directory: Descriptor
  private let file: Descriptor
  private let name: String
  /// The name it has until then where the file system knows no nameless files.
  private let interim: String?
  let identity: KnownFile

  /// What a file is called until it is whole, where it needs a name.
  static func interim(_ path: ContainerPath) -> ContainerPath {
    ContainerPath(base: path.base, below: path.below.dropLast() + ["\(path.fileName).new"], key: path.key)
  }

  /// Makes the directories on the way too.
  static func write(_ lines: [String], at path: ContainerPath) throws(KernelError) -> NewHosts {
    let directory = try FilePlace(path).parent(making: true)
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

  /// - Throws: EEXIST where another file has come to be there.
  consuming func appear() throws(KernelError) {
    try file.link(as: "/proc/self/fd/\(directory.raw)/\(name)")
    if let interim { try directory.remove(below: interim) }
  }
}

extension FilePlace {
  /// The identity of the file, without opening it; `nil` where there is none.
  func found() throws(KernelError) -> KnownFile? {
    guard let status = try regularStatus() else { return nil }
    return KnownFile(path: path.description, device: status.device, inode: status.inode)
  }
}
