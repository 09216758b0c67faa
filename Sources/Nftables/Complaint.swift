import NetTypes

/// The error text of libnftables if the library or the kernel refuses a command.
///
/// Its lines: `Error: Could not process rule: File exists`, then the command, then a marker under the refused part.
enum Complaint {
  /// The errors that the plugin or the operator can react to.
  private static let known: [Errno] = [
    .EEXIST, .ENOENT, .EBUSY, .EPERM, .EINTR, .EAGAIN, .ENOMEM, .EACCES, .EINVAL, .EOPNOTSUPP, .ENOBUFS, .ENFILE,
    .EMFILE,
  ]

  /// Whether the change may have been made: the kernel did not refuse it, but its answer did not arrive.
  static func isUnanswered(_ error: KernelError) -> Bool { error.errno.isOne(of: .EINTR, .ENOBUFS) }

  /// The kernel's errno, found by its text; EINVAL if the library itself rejected the command.
  static func errno(_ words: String, text: (Errno) -> String) -> Errno {
    for line in words.split(separator: "\n") where line.contains("Error: ") {
      if let errno = known.first(where: { line.contains(text($0)) }) { return errno }
    }
    return .EINVAL
  }

  /// The first error and its command; the further errors repeat them.
  static func shortened(_ words: String) -> String {
    let lines = words.split(separator: "\n").filter { !$0.allSatisfy { $0 == "^" || $0 == " " || $0 == "~" } }
    return lines.prefix(2).joined(separator: ": ")
  }
}
