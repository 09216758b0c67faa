import Glibc
public import NetTypes

/// A POSIX extended regular expression (`regex(7)`), as the C library compiled it.
@safe
public struct RegularExpression: ~Copyable {
  private var compiled: regex_t

  /// - Throws: EINVAL with the C library's message, if the pattern is invalid.
  public init(extended pattern: String) throws(KernelError) {
    var compiled = unsafe regex_t()
    let status = unsafe regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB)
    guard status == 0 else {
      throw KernelError("compile \(pattern)", errno: .EINVAL, reason: unsafe Self.explain(status, &compiled))
    }
    unsafe self.compiled = compiled
  }

  deinit {
    var compiled = unsafe compiled
    unsafe regfree(&compiled)
  }

  /// Whether the expression matches any part of `text`.
  public borrowing func matches(_ text: String) -> Bool {
    unsafe withUnsafePointer(to: compiled) { unsafe regexec($0, text, 0, nil, 0) } == 0
  }

  private static func explain(_ status: Int32, _ compiled: UnsafePointer<regex_t>) -> String {
    var text = [UInt8](repeating: 0, count: 128)
    _ = unsafe text.withUnsafeMutableBytes {
      unsafe regerror(status, compiled, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count)
    }
    return String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
  }
}
