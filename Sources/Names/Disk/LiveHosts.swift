import CNI
import Glibc
import Linux
import NetTypes

/// A hosts file that others may be reading, or have mounted: it is never renamed, emptied or cut.
struct LiveHosts: ~Copyable {
  private let file: Descriptor
  private let path: String
  /// When it was opened, in bytes.
  private let size: Int

  /// The largest file that is read or written, in bytes: a container may make its own as large as it likes.
  static let limit = 4 << 20

  /// Above that size, in bytes, lines may go where dead ones are.
  static let sizeToReuse = 64 << 10

  /// Waits neither for a FIFO nor for a lease that the container holds on the file.
  ///
  /// - Returns: `nil` where there is no longer that very file.
  /// - Throws: what keeps it from being written; EFBIG for a file that is too large, EAGAIN for one with a lease.
  static func open(
    _ identity: KnownFile, for purpose: Descriptor.Purpose = .editing
  ) throws(KernelError) -> LiveHosts? {
    let file: Descriptor
    do throws(KernelError) {
      file = try Descriptor.open(identity.path, for: purpose)
    } catch {
      // What stands there instead of a regular file is not ours.
      if error.isMissing || error.isNoRegularFile { return nil }
      throw error
    }
    let status = try file.status()
    guard status.isRegular, status.device == identity.device, status.inode == identity.inode else { return nil }
    guard status.size <= limit else { throw tooLarge(identity.path) }
    return LiveHosts(file: file, path: identity.path, size: status.size)
  }

  private init(file: consuming Descriptor, path: String, size: Int) {
    self.file = file
    self.path = path
    self.size = size
  }

  private static func tooLarge(_ path: String) -> KernelError {
    KernelError("read \(path)", errno: .EFBIG, reason: "File too large: want \(limit >> 20) MiB at most")
  }

  private func text() throws(KernelError) -> HostsText {
    var bytes = try file.read(at: 0, count: size + 1)
    // It has grown since.
    if bytes.count > size { bytes += try file.read(at: bytes.count, count: Self.limit + 1 - size) }
    guard bytes.count <= Self.limit else { throw Self.tooLarge(path) }
    return HostsText(bytes)
  }

  /// Adds lines in one write.
  ///
  /// - Parameters:
  ///   - lines: without their ends.
  ///   - identity: the file.
  ///   - expected: about how many bytes it holds if nothing in it is dead.
  /// - Returns: whether it is still that file.
  /// - Throws: what keeps it from being written.
  static func add(_ lines: [String], to identity: KnownFile, expected: Int) throws(KernelError) -> Bool {
    guard !lines.isEmpty else { return true }
    guard let hosts = try open(identity, for: .extending) else { return false }
    if hosts.size > sizeToReuse, hosts.size / 2 > expected { return try reuse(lines, in: identity) }
    try hosts.append(lines)
    return true
  }

  private func append(_ lines: [String]) throws(KernelError) {
    let isLineOpen = size > 0 ? try file.read(at: size - 1, count: 1) != [UInt8(ascii: "\n")] : false
    try file.writeAll(HostsText.appended(lines, at: size, isLineOpen: isLineOpen))
  }

  private static func reuse(_ lines: [String], in identity: KnownFile) throws(KernelError) -> Bool {
    guard let hosts = try open(identity) else { return false }
    let (writes, rest) = try hosts.text().reusing(for: lines)
    for write in writes {
      // The first byte last: until then it is a comment.
      try hosts.file.write(Array(write.bytes.dropFirst()), at: write.offset + 1)
      try hosts.file.write(Array(write.bytes.prefix(1)), at: write.offset)
    }
    guard !rest.isEmpty, let end = try open(identity, for: .extending) else { return true }
    try end.append(rest)
    return true
  }

  /// Whether the file is one that we made for the container and know nothing of any more.
  ///
  /// Its network's state is gone with a restart of the machine, or somebody removed it.
  static func isOurs(_ identity: KnownFile, of container: ContainerID) throws(KernelError) -> Bool {
    guard let hosts = try open(identity) else { return false }
    return try hosts.text().isOurs(of: container)
  }

  /// Adds those of `lines` that are missing, then removes what such a file tells and is not among them.
  ///
  /// - Returns: whether it is still that file.
  static func renew(_ lines: [String], in identity: KnownFile) throws(KernelError) -> Bool {
    guard let hosts = try open(identity) else { return false }
    let text = try hosts.text()
    guard try add(text.places(of: lines).missing, to: identity, expected: .max) else { return false }
    return try remove(text.told(but: lines), from: identity)
  }

  /// Makes comments of lines, each as often as it is listed; what is not there, or was changed, is left alone.
  ///
  /// - Returns: whether it is still that file.
  static func remove(_ lines: [String], from identity: KnownFile) throws(KernelError) -> Bool {
    guard !lines.isEmpty else { return true }
    guard let hosts = try open(identity) else { return false }
    let text = try hosts.text()
    for write in text.killing(at: text.offsets(of: lines)) { try hosts.file.write(write.bytes, at: write.offset) }
    return true
  }

  /// Those of `lines` that are not there; `nil` where it is no longer that file.
  static func missing(_ lines: [String], from identity: KnownFile) throws(KernelError) -> [String]? {
    guard let hosts = try open(identity, for: .inspecting) else { return nil }
    return try hosts.text().places(of: lines).missing
  }
}
