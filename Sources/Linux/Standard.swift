import CLinux
import Glibc
public import NetTypes

/// The three streams a process starts with.
public enum Standard {
  public static let input: Int32 = 0
  public static let output: Int32 = 1
  public static let error: Int32 = 2

  /// All of standard input.
  ///
  /// - Throws: EFBIG for more than `limit` bytes.
  public static func readInput(limit: Int) throws(KernelError) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16384)
    while true {
      let count = try call("read standard input") { unsafe read(input, &chunk, chunk.count) }
      if count == 0 { return bytes }
      bytes += chunk[..<count]
      guard bytes.count <= limit else { throw KernelError(errno: .EFBIG, doing: "read standard input") }
    }
  }

  /// Whether a person would have to type the input.
  public static var inputIsTerminal: Bool { isatty(input) == 1 }

  /// Writes to a descriptor that this process was given.
  ///
  /// Whoever reads a pipe or socket has five seconds, and one for standard error, to take all of it: this process may hold
  /// what others wait for.
  ///
  /// - Throws: ETIMEDOUT where that did not do.
  public static func write(_ bytes: [UInt8], to descriptor: Int32) throws(KernelError) {
    let deadline = Clock.now.advanced(bySeconds: descriptor == error ? 1 : 5)
    var done = 0
    while done < bytes.count {
      try awaitRoom(in: descriptor, until: deadline)
      done += try call("write to descriptor \(descriptor)") {
        unsafe bytes.withUnsafeBytes {
          unsafe Glibc.write(descriptor, $0.baseAddress.map { unsafe $0 + done }, min(pipeUnit, $0.count - done))
        }
      }
    }
  }

  /// What a pipe that has room takes without waiting.
  private static let pipeUnit = 4096

  private static func awaitRoom(in descriptor: Int32, until deadline: Clock) throws(KernelError) {
    var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    let ready = try call("wait for room in descriptor \(descriptor)") {
      unsafe poll(&wait, 1, Int32(clamping: deadline.millisecondsLeft))
    }
    // Where there is an error, `write` says which.
    guard ready > 0 else { throw KernelError(errno: .ETIMEDOUT, doing: "write to descriptor \(descriptor)") }
  }

  /// Takes the number of each stream that is closed, so that no file opened later gets it; using it stays an error.
  public static func occupyClosedStreams() {
    for stream in [input, output, error] where fcntl(stream, F_GETFD) < 0 {
      _ = unsafe cl_open("/dev/null", stream == input ? O_WRONLY : O_RDONLY, 0)
    }
  }

  /// A reader that goes away shall be an error of `write`, not the end of the process.
  public static func ignoreBrokenPipes() { _ = signal(SIGPIPE, SIG_IGN) }

  /// What a limit or a reader forbids shall be an error with a code, not the end of the process.
  public static func turnSignalsIntoErrors() { for number in refusals { _ = signal(number, SIG_IGN) } }

  /// The signals of a broken pipe, of a file at its largest size, of processor time at its soft limit.
  static let refusals = [SIGPIPE, SIGXFSZ, SIGXCPU]
}

extension KernelError {
  public var isTextFileBusy: Bool { errno == .ETXTBSY }
  /// EPERM, EACCES or EROFS: the caller may not write, or the file system is mounted read-only.
  public var isRefusal: Bool { errno == .EACCES || errno == .EPERM || errno == .EROFS }
  public var isMissing: Bool { errno == .ENOENT || errno == .ENODEV || errno == .ENOTDIR }
}
