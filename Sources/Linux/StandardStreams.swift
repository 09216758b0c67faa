import CLinux
import Glibc
public import NetTypes

/// The three standard streams of the process.
public enum StandardStreams {
  public static let input: Int32 = 0
  public static let output: Int32 = 1
  public static let error: Int32 = 2

  /// Reads standard input to its end.
  ///
  /// - Throws: EFBIG if there are more than `limit` bytes.
  public static func readInput(limit: Int) throws(KernelError) -> [UInt8] {
    var bytes: [UInt8] = []
    let size = 16384
    while true {
      let chunk = try unsafe Linux.bytes(atMost: size, "read standard input") { unsafe read(input, $0, size) }
      if chunk.isEmpty { return bytes }
      bytes += chunk
      guard bytes.count <= limit else { throw KernelError(errno: .EFBIG, doing: "read standard input") }
    }
  }

  /// Whether standard input is a terminal.
  public static var inputIsTerminal: Bool { isatty(input) == 1 }

  /// Writes to a descriptor that this process inherited.
  ///
  /// The reader of a pipe or socket must read all of it within five seconds (standard error: one second), because this
  /// process may hold locks for which other processes wait.
  ///
  /// - Throws: ETIMEDOUT if the reader takes longer.
  public static func write(_ bytes: [UInt8], to descriptor: Int32) throws(KernelError) {
    let deadline = Clock.now.advanced(bySeconds: descriptor == error ? 1 : 5)
    var written = 0
    while written < bytes.count {
      try awaitRoom(in: descriptor, until: deadline)
      written += try call("write to descriptor \(descriptor)") {
        unsafe bytes.withUnsafeBytes {
          unsafe Glibc.write(descriptor, $0.baseAddress.map { unsafe $0 + written }, min(pipeUnit, $0.count - written))
        }
      }
    }
  }

  /// The largest write for which a pipe with room does not block.
  private static let pipeUnit = 4096

  private static func awaitRoom(in descriptor: Int32, until deadline: Clock) throws(KernelError) {
    var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    let ready = try call("wait for room in descriptor \(descriptor)") {
      unsafe poll(&wait, 1, Int32(clamping: deadline.millisecondsLeft))
    }
    // If the descriptor has an error, `write` reports it.
    guard ready > 0 else { throw KernelError(errno: .ETIMEDOUT, doing: "write to descriptor \(descriptor)") }
  }

  /// Opens each closed standard stream, so that no file gets its number; reads or writes on it still fail.
  public static func occupyClosedStreams() {
    for stream in [input, output, error] where fcntl(stream, F_GETFD) < 0 {
      _ = unsafe cl_open("/dev/null", stream == input ? O_WRONLY : O_RDONLY, 0)
    }
  }

  /// Ignores SIGPIPE: if the reader of a pipe ends, `write` fails instead of the process being killed.
  public static func ignoreBrokenPipes() { _ = signal(SIGPIPE, SIG_IGN) }

  /// Ignores the signals in `fatalSignals`, so that the system call returns an error instead of the process being killed.
  public static func turnSignalsIntoErrors() { for number in fatalSignals { _ = signal(number, SIG_IGN) } }

  /// The signals for a broken pipe, for a file at its size limit, and for the soft limit of processor time.
  static let fatalSignals = [SIGPIPE, SIGXFSZ, SIGXCPU]
}

extension KernelError {
  public var isTextFileBusy: Bool { errno == .ETXTBSY }
  /// EPERM, EACCES or EROFS: the caller may not write, or the file system is mounted read-only.
  public var isPermissionError: Bool { errno == .EACCES || errno == .EPERM || errno == .EROFS }
  public var isMissing: Bool { errno == .ENOENT || errno == .ENODEV || errno == .ENOTDIR }
}
