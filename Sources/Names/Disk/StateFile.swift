import Glibc
import Linux
import NetTypes

/// A state file: a regular file, or nothing.
///
/// A directory, symbolic link, FIFO, socket or device at its path is never followed or written to, and never blocks
/// us.
enum StateFile {
  /// The largest file that is read, in bytes.
  static let limit = 16 << 20

  /// The temporary name of a file while it is written.
  static func unfinished(_ path: String) -> String { "\(path).tmp" }

  /// The content; `nil` if there is no file.
  ///
  /// - Throws: EBADMSG for anything that is not a regular file, and for a file that is too large.
  static func read(_ path: String) throws(KernelError) -> [UInt8]? {
    do throws(KernelError) {
      let file = try Descriptor.open(path, for: .inspecting)
      guard try file.status().isRegular else { throw broken(path, "want a regular file") }
      let bytes = try file.readAll(limit: limit + 1)
      guard bytes.count <= limit else { throw broken(path, "want \(limit >> 20) MiB at most") }
      return bytes
    } catch {
      if error.errno == .ENOENT || error.errno == .ENOTDIR { return nil }
      if error.isNoRegularFile { throw broken(path, "want a regular file") }
      throw error.errno == .EBADMSG ? error : KernelError("read \(path)", errno: error.errno, reason: error.reason)
    }
  }

  private static func broken(_ path: String, _ reason: String) -> KernelError {
    KernelError("read \(path)", errno: .EBADMSG, reason: reason)
  }

  /// Replaces the file atomically with rename(2), with mode 0644 under any umask.
  ///
  /// Until it is complete it has the name `unfinished`, by default the path with `.tmp` appended.
  static func replace(_ path: String, with bytes: [UInt8], through unfinished: String? = nil) throws(KernelError) {
    let temporary = unfinished ?? self.unfinished(path)
    let file = try create(temporary)
    do throws(KernelError) {
      try file.setMode(0o644)
      try file.writeAll(bytes)
      do throws(KernelError) { try Files.move(temporary, to: path) } catch {
        guard try SetAside.makeRoom(at: path) else { throw error }
        try Files.move(temporary, to: path)
      }
    } catch {
      try? Files.remove(temporary)  // the first error is thrown
      throw error
    }
  }

  /// Creates a file; one that a killed process left under that name is removed first.
  private static func create(_ path: String) throws(KernelError) -> Descriptor {
    do throws(KernelError) {
      return try Descriptor.open(path, for: .creating)
    } catch {
      guard error.errno == .EEXIST else { throw error }
      try remove(path)
      return try Descriptor.open(path, for: .creating)
    }
  }

  /// Removes the file; no error if there is none.
  static func remove(_ path: String) throws(KernelError) {
    do throws(KernelError) {
      try Files.remove(path)
    } catch {
      if error.errno == .ENOTDIR { return }
      guard try SetAside.makeRoom(at: path) else { throw error }
    }
  }

  /// Takes the lock with flock(2); creates its file and directory if they are missing.
  ///
  /// - Throws: EAGAIN if another process held it all that time.
  static func lock(_ path: String, seconds: Int) throws(KernelError) -> FileLock {
    try FileLock(.openLock(path), seconds: seconds, doing: "lock \(path)")
  }
}

extension KernelError {
  /// Whether open(2) found a symbolic link, a directory, a device or a socket instead of a regular file.
  var isNoRegularFile: Bool { errno.isOne(of: .ELOOP, .EISDIR, .ENXIO) }

  /// Whether a state file was read but its content is not valid; every other error may pass.
  var isBrokenState: Bool { errno == .EBADMSG }

  /// Whether a container can cause the error for its own file: a lease, its size, permissions.
  ///
  /// Other containers, and its own DEL, do not wait until the cause is gone.
  var isCausedByContainer: Bool { isPermissionError || isTryAgain || isTextFileBusy || errno == .EFBIG }

  /// Whether this process or the host was short of a resource for a moment.
  var isShortage: Bool { errno.isOne(of: .EMFILE, .ENFILE, .ENOMEM, .ENOBUFS, .EINTR) }
}
