import NetTypes

/// The error text of libnftables if the library or the kernel refuses a command.
///
/// Its lines: `Error: Could not process rule: File exists`, then the command, then a marker under the refused part.
enum NftErrorText {
  /// The errors that the plugin or the operator can react to.
  private static let reportedErrors: [Errno] = [
    .EEXIST, .ENOENT, .EBUSY, .EPERM, .EINTR, .EAGAIN, .ENOMEM, .EACCES, .EINVAL, .EOPNOTSUPP, .ENOBUFS, .ENFILE,
    .EMFILE,
  ]

  /// Whether the change may have been made: the kernel did not refuse it, but its answer did not arrive.
  static func isUnanswered(_ error: KernelError) -> Bool { error.errno.isOne(of: .EINTR, .ENOBUFS) }

  /// The kernel's errno, found by its text; EINVAL if the library itself rejected the command.
  static func errno(_ message: String, text: (Errno) -> String) -> Errno {
    for line in message.split(separator: "\n") where line.containsText("Error: ") {
      if let errno = reportedErrors.first(where: { line.containsText(text($0)) }) { return errno }
    }
    return .EINVAL
  }

  /// The first error and its command; the further errors repeat them.
  static func shortened(_ message: String) -> String {
    let lines = message.split(separator: "\n").filter { !$0.allSatisfy { $0 == "^" || $0 == " " || $0 == "~" } }
    return lines.prefix(2).joined(separator: ": ")
  }
}
