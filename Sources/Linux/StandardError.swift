import Glibc

/// Where a program tells a person what its output does not say.
public enum StandardError {
  /// Writes what can be written: there is nowhere left to report a failure.
  public static func write(_ bytes: [UInt8]) {
    var done = 0
    while done < bytes.count {
      let count = unsafe bytes[done...].withUnsafeBytes { unsafe Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      done += count
    }
  }
}
