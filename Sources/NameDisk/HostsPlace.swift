import Glibc
import Kernel
import Linux
import Names

/// Where a container's hosts file is or shall be, and who knows how to make it.
public struct HostsPlace: Equatable, Sendable {
  public var path: String

  public init(_ path: String) { self.path = path }

  var directory: String { path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "" }

  /// What is there; `nil` where there is nothing.
  ///
  /// - Throws: EINVAL for anything but a regular file.
  func found() throws(KernelError) -> KnownFile? {
    let file: Descriptor
    do throws(KernelError) {
      file = try Descriptor.open(path, for: .editing)
    } catch {
      if error.errno == ENOENT { return nil }
      throw error
    }
    let status = try file.status()
    guard status.isRegular else {
      throw KernelError("open \(path)", errno: EINVAL, reason: "want a regular file")
    }
    return KnownFile(path: path, device: status.device, inode: status.inode)
  }

  /// The directories that are missing, the outermost first.
  func missingDirectories() throws(KernelError) -> [String] {
    var missing: [String] = []
    var next = directory
    while !next.isEmpty, try Files.status(next) == nil {
      missing.insert(next, at: 0)
      next = next.lastIndex(of: "/").map { String(next[..<$0]) } ?? ""
    }
    return missing
  }
}

/// A hosts file that is written but has no name yet.
struct NewHosts: ~Copyable {
  private let file: Descriptor
  private let path: String
  /// The name it has until then where nameless files are unknown.
  private let interim: String?
  let identity: KnownFile

  /// What a file is called until it is whole, where it needs a name.
  static func interim(_ path: String) -> String { "\(path).new" }

  /// Makes the file's directory too.
  static func write(_ lines: [String], for place: HostsPlace) throws(KernelError) -> NewHosts {
    try Files.makeDirectories(place.directory)
    let file: Descriptor
    let interim: String?
    do throws(KernelError) {
      file = try Descriptor.openUnnamed(in: place.directory, mode: 0o644)
      interim = nil
    } catch  where error.errno == EOPNOTSUPP || error.errno == EISDIR {
      let name = Self.interim(place.path)
      try Files.remove(name)
      file = try Descriptor.open(name, for: .creating, mode: 0o644)
      interim = name
    }
    try file.setMode(0o644)
    try file.writeAll(HostsText.appended(lines, at: 0))
    let status = try file.status()
    let identity = KnownFile(path: place.path, device: status.device, inode: status.inode)
    return NewHosts(file: file, path: place.path, interim: interim, identity: identity)
  }

  /// - Throws: EEXIST where another file has come to be there.
  consuming func name() throws(KernelError) {
    try file.link(as: path)
    if let interim { try Files.remove(interim) }
  }
}
