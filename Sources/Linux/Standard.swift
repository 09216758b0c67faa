import CLinux
import Glibc
public import Kernel

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
      guard bytes.count <= limit else { throw KernelError(errno: EFBIG, doing: "read standard input") }
    }
  }

  /// Whether a person would have to type the input.
  public static var inputIsTerminal: Bool { isatty(input) == 1 }

  /// Writes to a descriptor that this process was given.
  public static func write(_ bytes: [UInt8], to descriptor: Int32) throws(KernelError) {
    var done = 0
    while done < bytes.count {
      done += try call("write to descriptor \(descriptor)") {
        unsafe bytes.withUnsafeBytes {
          unsafe Glibc.write(descriptor, $0.baseAddress.map { unsafe $0 + done }, $0.count - done)
        }
      }
    }
  }

  /// Takes the number of each stream that is closed, so that no file opened later gets it; using it stays an error.
  public static func occupyClosedStreams() {
    for stream in [input, output, error] where fcntl(stream, F_GETFD) < 0 {
      _ = unsafe cl_open("/dev/null", stream == input ? O_WRONLY : O_RDONLY, 0)
    }
  }

  /// A reader that goes away shall be an error of `write`, not the end of the process.
  public static func ignoreBrokenPipes() { _ = signal(SIGPIPE, SIG_IGN) }
}

extension KernelError {
  public var isTextFileBusy: Bool { errno == ETXTBSY }
  /// EPERM, EACCES or EROFS: the caller may not write, or the file system is mounted read-only.
  public var isRefusal: Bool { errno == EACCES || errno == EPERM || errno == EROFS }
  public var isMissing: Bool { errno == ENOENT || errno == ENODEV || errno == ENOTDIR }
}
