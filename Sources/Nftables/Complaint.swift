import NetTypes

/// What libnftables says where it or the kernel refuses.
///
/// `Error: Could not process rule: File exists`, then the command, then what in it is meant.
enum Complaint {
  /// Those that we can do something about, and those that a user can.
  private static let known: [Int32] = [
    exists, absent, busy, 1, interrupted, again, 12, 13, invalid, unsupported, noBuffers, 23, 24,
  ]

  static let absent: Int32 = 2
  static let interrupted: Int32 = 4
  static let again: Int32 = 11
  static let busy: Int32 = 16
  static let exists: Int32 = 17
  static let invalid: Int32 = 22
  static let unknownProtocol: Int32 = 93
  static let unsupported: Int32 = 95
  static let noBuffers: Int32 = 105

  /// The kernel may have made the change, or not: it was not refused, but its answer did not arrive.
  static func isUnanswered(_ error: KernelError) -> Bool { [interrupted, noBuffers].contains(error.errno) }

  /// The kernel's errno by its text; EINVAL where the library itself did not understand.
  static func errno(_ words: String, text: (Int32) -> String) -> Int32 {
    for line in words.split(separator: "\n") where line.contains("Error: ") {
      if let errno = known.first(where: { line.contains(text($0)) }) { return errno }
    }
    return invalid
  }

  /// The first complaint and the command it is about; the rest repeats them.
  static func shortened(_ words: String) -> String {
    let lines = words.split(separator: "\n").filter { !$0.allSatisfy { $0 == "^" || $0 == " " || $0 == "~" } }
    return lines.prefix(2).joined(separator: ": ")
  }
}
