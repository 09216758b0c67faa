import Glibc
import Linux
import NetTypes

/// A file of what is remembered: a regular file, or nothing.
///
/// A directory, symbolic link, FIFO, socket or device at its path is never followed, waited for or written to.
enum StateFile {
  /// The largest file that is read, in bytes.
  static let limit = 16 << 20

  /// The name that a file has until it is whole.
  static func unfinished(_ path: String) -> String { "\(path).tmp" }

  /// The content; `nil` where there is no file.
  ///
  /// - Throws: EBADMSG for what is no regular file and for one that is too large.
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

  /// Replaces the file in one step, with mode 0644 under any umask.
  ///
  /// Until it is whole it has the name `unfinished`, by default the path with `.tmp` behind it.
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

  /// A new file; what a process that ended left there goes first.
  private static func create(_ path: String) throws(KernelError) -> Descriptor {
    do throws(KernelError) {
      return try Descriptor.open(path, for: .creating)
    } catch {
      guard error.errno == .EEXIST else { throw error }
      try remove(path)
      return try Descriptor.open(path, for: .creating)
    }
  }

  /// Nothing happens where there is nothing.
  static func remove(_ path: String) throws(KernelError) {
    do throws(KernelError) {
      try Files.remove(path)
    } catch {
      if error.errno == .ENOTDIR { return }
      guard try SetAside.makeRoom(at: path) else { throw error }
    }
  }

  /// Takes the lock, whose file is made where it is missing, with its directory.
  ///
  /// - Throws: EAGAIN where another process held it all that time.
  static func lock(_ path: String, seconds: Int) throws(KernelError) -> FileLock {
    try FileLock(.openLock(path), seconds: seconds, doing: "lock \(path)")
  }
}

extension KernelError {
  /// Of opening a file as it is: a symbolic link, a directory, a device or a socket.
  var isNoRegularFile: Bool { errno.isOne(of: .ELOOP, .EISDIR, .ENXIO) }

  /// Whether a state file was read and does not hold what it should; every other error may pass.
  var isBrokenState: Bool { errno == .EBADMSG }

  /// Whether a container can bring it about for its own file: a lease, a size, a lock against writing.
  ///
  /// Neither the other containers nor its own DEL wait for the end of that.
  var isOfContainer: Bool { isRefusal || isTryAgain || isTextFileBusy || errno == .EFBIG }

  /// Whether the process or the host was short of something for a moment.
  var isShortage: Bool { errno.isOne(of: .EMFILE, .ENFILE, .ENOMEM, .ENOBUFS, .EINTR) }
}
