public import NetTypes

/// A domain that a resolver tries behind a short name; `.` is the root, which keeps it from trying any.
public struct SearchDomain: TextCodable {
  public static let wanted = "a domain: labels of 1 to 63 letters, digits, '-' or '_' with dots between them, or '.'"

  public let description: String

  public init?(_ text: String) {
    let name = text.hasSuffix(".") ? String(text.dropLast()) : text
    guard text == "." || HostName(name)?.fitsDNS == true else { return nil }
    description = text
  }
}

/// An option of `resolv.conf(5)`: `ndots:5`, `trust-ad`.
public struct ResolverOption: TextCodable {
  public static let wanted = "a word of 1 to 64 printable ASCII characters without white space"

  public let description: String

  public init?(_ text: String) {
    let printable = UInt8(ascii: "!")...UInt8(ascii: "~")
    guard (1...64).contains(text.utf8.count), text.utf8.allSatisfy(printable.contains) else { return nil }
    // At the start of a word these make the rest of the line a comment for some resolvers.
    guard !text.hasPrefix("#"), !text.hasPrefix(";") else { return nil }
    description = text
  }

  /// What comes before the value: an option counts once.
  var name: Substring { description.prefix { $0 != ":" } }
}
