import CLinux
import Glibc
public import NetTypes

/// An open file descriptor, closed at the end of this value's lifetime.
@frozen public struct Descriptor: ~Copyable {
  public let raw: Int32

  public init(adopting raw: Int32) { self.raw = raw }

  deinit { close(raw) }

  /// Leaves the file open until the process ends.
  public consuming func keepOpen() { discard self }

  /// The purpose for which a file is opened.
  public enum Purpose: Sendable {
    case reading
    /// Reading and writing a file, which is created if it is missing; does not follow a symbolic link.
    case updating
    /// Writing a new file; EEXIST if there is one.
    case creating
    /// Overwriting a file from its start; does not follow a symbolic link, and refuses a FIFO.
    case replacing
    /// Appending to a file, which is created if it is missing; ENXIO for a FIFO without a reader.
    case appending
    /// Reading an existing file; does not follow a symbolic link and does not wait for a FIFO.
    case inspecting
    /// Reading and writing an existing file; does not follow a symbolic link and does not wait for a FIFO.
    case editing
    /// As `editing`, but everything written is appended.
    case extending

    var flags: Int32 {
      switch self {
      case .reading: O_RDONLY
      case .inspecting: O_RDONLY | O_NOFOLLOW | O_NONBLOCK
      case .updating: O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK
      case .creating: O_WRONLY | O_CREAT | O_EXCL
      case .replacing: O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK
      case .appending: O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK
      case .editing: O_RDWR | O_NOFOLLOW | O_NONBLOCK
      case .extending: O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK
      }
    }
  }

  /// Opens `path`; a new file gets the permissions `mode` minus the umask.
  ///
  /// - Throws: the errno of `open(2)`, with the path.
  public static func open(
    _ path: String, for purpose: Purpose = .reading, mode: UInt32 = 0o600
  ) throws(KernelError) -> Descriptor {
    try open(path, flags: purpose.flags, mode: mode)
  }

  static func open(_ path: String, flags: Int32, mode: UInt32) throws(KernelError) -> Descriptor {
    let raw = try call("open \(path)") { unsafe cl_open(path, flags | O_CLOEXEC, mode) }
    return Descriptor(adopting: Int32(raw))
  }

  /// Creates a file without a name (O_TMPFILE); it is lost with this value unless `link` gives it a name.
  ///
  /// - Throws: EOPNOTSUPP if the file system does not support that.
  public static func openUnnamed(in directory: String, mode: UInt32) throws(KernelError) -> Descriptor {
    let raw = try call("make a file in \(directory)") { unsafe cl_open_unnamed(directory, mode) }
    return Descriptor(adopting: Int32(raw))
  }

  /// Gives the file a name; a file may have several names.
  ///
  /// - Throws: EEXIST if the name is taken.
  public borrowing func link(as path: String) throws(KernelError) {
    _ = try call("create \(path)") { unsafe cl_link_unnamed(raw, path) }
  }

  /// Sets the permissions, whatever the umask; equals `fchmod(2)`.
  public borrowing func setMode(_ mode: UInt32) throws(KernelError) {
    _ = try call("set permissions") { fchmod(raw, mode) }
  }

  /// The bytes from the current position to the end, at most `limit` of them.
  public borrowing func readAll(limit: Int = .max) throws(KernelError) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < limit {
      let size = min(4096, limit - bytes.count)
      let chunk = try unsafe Linux.bytes(atMost: size, "read") { unsafe Glibc.read(raw, $0, size) }
      if chunk.isEmpty { break }
      bytes += chunk
    }
    return bytes
  }

  public borrowing func writeAll(_ bytes: [UInt8]) throws(KernelError) {
    var written = 0
    while written < bytes.count {
      written += try call("write") {
        unsafe bytes.withUnsafeBytes {
          unsafe Glibc.write(raw, $0.baseAddress.map { unsafe $0 + written }, $0.count - written)
        }
      }
    }
  }

  /// The bytes at `offset`; fewer than `count` at the end of the file.
  public borrowing func read(at offset: Int, count: Int) throws(KernelError) -> [UInt8] {
    try unsafe bytes(atMost: count, "read at \(offset)") { unsafe pread(raw, $0, count, off_t(offset)) }
  }

  /// One message of a socket, of at most 64 KiB (recv(2)).
  ///
  /// - Throws: EPROTO for an empty message.
  public borrowing func receive(
    flags: Int32 = 0, doing operation: @autoclosure () -> String
  ) throws(KernelError) -> [UInt8] {
    let size = 64 << 10
    let message = try unsafe bytes(atMost: size, operation()) { unsafe recv(raw, $0, size, flags) }
    guard !message.isEmpty else { throw KernelError(errno: .EPROTO, doing: operation()) }
    return message
  }

  public borrowing func write(_ bytes: [UInt8], at offset: Int) throws(KernelError) {
    let writtenCount = try call("write at \(offset)") { unsafe pwrite(raw, bytes, bytes.count, off_t(offset)) }
    guard writtenCount == bytes.count else { throw KernelError(errno: .ENOSPC, doing: "write at \(offset)") }
  }

  /// Truncates or extends the file to `size` bytes; equals `ftruncate(2)`.
  public borrowing func resize(to size: Int) throws(KernelError) {
    _ = try call("resize to \(size)") { ftruncate(raw, off_t(size)) }
  }

  /// Writes the data to the disk, so that it survives a power failure (`fsync(2)`), if the file system supports that.
  public borrowing func flush() throws(KernelError) {
    do throws(KernelError) { _ = try call("flush") { fsync(raw) } } catch  where error.errno == .EINVAL {}
  }

  public borrowing func status() throws(KernelError) -> FileStatus {
    var info = stat()
    _ = try call("stat") { unsafe fstat(raw, &info) }
    return FileStatus(info)
  }

  /// Sets the modification time; the access time is unchanged.
  public borrowing func setModified(_ time: FileTime) throws(KernelError) {
    let times = [
      timespec(tv_sec: 0, tv_nsec: Int(CL_UTIME_OMIT)), timespec(tv_sec: time.seconds, tv_nsec: time.nanoseconds),
    ]
    _ = try call("set times") { unsafe futimens(raw, times) }
  }

  /// - Throws: ENOTSUP if the file system does not support extended attributes.
  public borrowing func setAttribute(_ name: String, _ value: [UInt8]) throws(KernelError) {
    _ = try call("set attribute \(name)") { unsafe cl_set_attribute(raw, name, value, value.count) }
  }
}

/// The result of `stat(2)`.
public struct FileStatus: Equatable, Sendable {
  public var device: UInt
  public var inode: UInt
  public var size: Int
  public var modified: FileTime
  public var isRegular: Bool
  public var isDirectory: Bool
  /// The permissions.
  public var mode: UInt32

  init(_ info: stat) {
    device = UInt(info.st_dev)
    inode = UInt(info.st_ino)
    size = Int(info.st_size)
    modified = FileTime(seconds: Int(info.st_mtim.tv_sec), nanoseconds: Int(info.st_mtim.tv_nsec))
    isRegular = info.st_mode & S_IFMT == S_IFREG
    isDirectory = info.st_mode & S_IFMT == S_IFDIR
    mode = UInt32(info.st_mode) & 0o7777
  }
}

/// A file's time stamp.
public struct FileTime: Equatable, Sendable {
  public var seconds: Int
  public var nanoseconds: Int
  public init(seconds: Int, nanoseconds: Int) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }
}
