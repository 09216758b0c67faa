import CNI
import Linux
import NetTypes
import PluginKit

/// The sysctls that this host's administrator lets network configurations change.
struct AllowList: Equatable {
  /// The path of the list; tests use another one.
  static let path = "/etc/cni/tuning/allowlist.conf"

  private var path: String
  /// POSIX extended regular expressions; `nil` if there is no list: then every sysctl below `net` may be changed.
  private var patterns: [String]?

  /// - Throws: code 100 if the list cannot be read.
  init(at path: String) throws(CNIError) {
    self.path = path
    let bytes = try convertingErrors { () throws(KernelError) in try Files.readIfPresent(path) }
    patterns = bytes?.split(separator: UInt8(ascii: "\n")).map(trimmed).filter { !$0.isEmpty }
  }

  /// - Throws: code 7 for a name that no pattern matches, and for a pattern that is not valid.
  func check(_ names: [SysctlName]) throws(CNIError) {
    guard let patterns else { return }
    var refused = names
    for pattern in patterns {
      let expression = try compiled(pattern)
      refused.removeAll { expression.matches($0.text) || expression.matches($0.dotted) }
    }
    guard let name = refused.first else { return }
    throw CNIError(
      .invalidNetworkConfig, "sysctl \"\(name.text)\": not allowed by \(path)",
      details: "want one that matches \(patterns.joined(separator: " or "))")
  }

  private func compiled(_ pattern: String) throws(CNIError) -> RegularExpression {
    // Perl reads these as classes; POSIX matches the letter itself, and `[^\d]` would match any digit.
    if let escape = escapedLetter(in: pattern) {
      throw CNIError(
        .invalidNetworkConfig,
        "\(path): pattern \(pattern): \(escape): want a POSIX extended regular expression, such as [0-9] for a digit")
    }
    do throws(KernelError) { return try RegularExpression(extended: pattern) } catch {
      throw CNIError(
        .invalidNetworkConfig, "\(path): pattern \(pattern): \(error.reason): want a POSIX extended regular expression")
    }
  }
}

private func trimmed(_ line: ArraySlice<UInt8>) -> String {
  let isSpace = { (byte: UInt8) in byte == UInt8(ascii: " ") || (9...13).contains(byte) }
  guard let start = line.firstIndex(where: { !isSpace($0) }), let end = line.lastIndex(where: { !isSpace($0) })
  else { return "" }
  return String(decoding: line[start...end], as: UTF8.self)
}

/// The first backslash that is followed by a letter or digit, with that character.
private func escapedLetter(in pattern: String) -> String? {
  var isEscaped = false
  for character in pattern.unicodeScalars {
    if isEscaped, character.properties.isAlphabetic || ("0"..."9").contains(character) { return "\\\(character)" }
    isEscaped = character == "\\" && !isEscaped
  }
  return nil
}
