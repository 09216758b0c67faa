import NetTypes

/// What libnftables says where it or the kernel refuses.
///
/// `Error: Could not process rule: File exists`, then the command, then what in it is meant.
enum Complaint {
  /// Those that the plugin or its user can do something about.
  private static let known: [Errno] = [
    .EEXIST, .ENOENT, .EBUSY, .EPERM, .EINTR, .EAGAIN, .ENOMEM, .EACCES, .EINVAL, .EOPNOTSUPP, .ENOBUFS, .ENFILE,
    .EMFILE,
  ]

  /// The kernel may have made the change, or not: it was not refused, but its answer did not arrive.
  static func isUnanswered(_ error: KernelError) -> Bool { error.errno.isOne(of: .EINTR, .ENOBUFS) }

  /// The kernel's errno by its text; EINVAL where the library itself did not understand.
  static func errno(_ words: String, text: (Errno) -> String) -> Errno {
    for line in words.split(separator: "\n") where line.contains("Error: ") {
      if let errno = known.first(where: { line.contains(text($0)) }) { return errno }
    }
    return .EINVAL
  }

  /// The first complaint and the command it is about; the rest repeats them.
  static func shortened(_ words: String) -> String {
    let lines = words.split(separator: "\n").filter { !$0.allSatisfy { $0 == "^" || $0 == " " || $0 == "~" } }
    return lines.prefix(2).joined(separator: ": ")
  }
}
