import CNI
import Glibc
import Linux
import NetTypes

/// A hosts file that containers may be reading or have mounted: it is never renamed, emptied or truncated.
struct InPlaceHostsFile: ~Copyable {
  private let file: Descriptor
  private let path: String
  /// The file's size when it was opened, in bytes.
  private let size: Int

  /// The largest file that is read or written, in bytes, because a container can make its own file very large.
  static let limit = 4 << 20

  /// Above this size, in bytes, new lines may overwrite lines that were removed.
  static let sizeToReuse = 64 << 10

  /// Opens the file without waiting for a FIFO's other end or for a lease that the container holds on the file.
  ///
  /// - Returns: `nil` if that path is no longer the same file (device and inode).
  /// - Throws: why it cannot be written; EFBIG for a file that is too large, EAGAIN for one with a lease.
  static func open(
    _ identity: FileReference, for purpose: Descriptor.Purpose = .editing
  ) throws(KernelError) -> InPlaceHostsFile? {
    let file: Descriptor
    do throws(KernelError) {
      file = try Descriptor.open(identity.path, for: purpose)
    } catch {
      // What replaced the regular file is not ours.
      if error.isMissing || error.isNoRegularFile { return nil }
      throw error
    }
    let status = try file.status()
    guard status.isRegular, status.device == identity.device, status.inode == identity.inode else { return nil }
    guard status.size <= limit else { throw tooLarge(identity.path) }
    return InPlaceHostsFile(file: file, path: identity.path, size: status.size)
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
    // The file has grown since it was opened.
    if bytes.count > size { bytes += try file.read(at: bytes.count, count: Self.limit + 1 - size) }
    guard bytes.count <= Self.limit else { throw Self.tooLarge(path) }
    return HostsText(bytes)
  }

  /// Adds lines with one write(2), or in place of removed lines if most of the file is such lines.
  ///
  /// - Parameters:
  ///   - lines: without line ends.
  ///   - identity: the file.
  ///   - expectedSize: about how many bytes the file holds without removed lines.
  /// - Returns: whether the path is still that file.
  /// - Throws: why it cannot be written.
  static func add(_ lines: [String], to identity: FileReference, expectedSize: Int) throws(KernelError) -> Bool {
    guard !lines.isEmpty else { return true }
    guard let hosts = try open(identity, for: .extending) else { return false }
    if hosts.size > sizeToReuse, hosts.size / 2 > expectedSize { return try reuse(lines, in: identity) }
    try hosts.append(lines)
    return true
  }

  private func append(_ lines: [String]) throws(KernelError) {
    let isLineOpen = size > 0 ? try file.read(at: size - 1, count: 1) != [UInt8(ascii: "\n")] : false
    try file.writeAll(HostsText.appended(lines, at: size, isLineOpen: isLineOpen))
  }

  private static func reuse(_ lines: [String], in identity: FileReference) throws(KernelError) -> Bool {
    guard let hosts = try open(identity) else { return false }
    let (writes, rest) = try hosts.text().reuseWrites(for: lines)
    for write in writes {
      // The first byte is written last: until then the line is still a comment.
      try hosts.file.write(Array(write.bytes.dropFirst()), at: write.offset + 1)
      try hosts.file.write(Array(write.bytes.prefix(1)), at: write.offset)
    }
    guard !rest.isEmpty, let end = try open(identity, for: .extending) else { return true }
    try end.append(rest)
    return true
  }

  /// Whether we created the file for the container but have no record of it.
  ///
  /// The state directory is lost after a reboot, or another program removed it.
  static func isOurs(_ identity: FileReference, of container: ContainerID) throws(KernelError) -> Bool {
    guard let hosts = try open(identity) else { return false }
    return try hosts.text().isOurs(of: container)
  }

  /// Adds the missing ones of `lines`, then removes all other lines that dns-hosts wrote.
  ///
  /// - Returns: whether the path is still that file.
  static func renew(_ lines: [String], in identity: FileReference) throws(KernelError) -> Bool {
    guard let hosts = try open(identity) else { return false }
    let text = try hosts.text()
    guard try add(text.search(for: lines).missing, to: identity, expectedSize: .max) else { return false }
    return try remove(text.generatedLines(except: lines), from: identity)
  }

  /// Removes lines by making them comments, each as often as it is listed; missing or edited lines are left alone.
  ///
  /// - Returns: whether the path is still that file.
  static func remove(_ lines: [String], from identity: FileReference) throws(KernelError) -> Bool {
    guard !lines.isEmpty else { return true }
    guard let hosts = try open(identity) else { return false }
    let text = try hosts.text()
    for write in text.removalWrites(at: text.offsets(of: lines)) { try hosts.file.write(write.bytes, at: write.offset) }
    return true
  }

  /// The ones of `lines` that the file lacks; `nil` if the path is no longer that file.
  static func missing(_ lines: [String], from identity: FileReference) throws(KernelError) -> [String]? {
    guard let hosts = try open(identity, for: .inspecting) else { return nil }
    return try hosts.text().search(for: lines).missing
  }
}
