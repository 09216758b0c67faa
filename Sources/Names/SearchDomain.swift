public import NetTypes

/// A domain that a resolver appends to a short name; `.`, the root, makes it append none.
public struct SearchDomain: TextCodable {
  public static let expectedForm =
    "a domain: labels of 1 to 63 letters, digits, '-' or '_' with dots between them, or '.'"

  public let description: String

  public init?(_ text: String) {
    let name = text.hasSuffix(".") ? String(text.dropLast()) : text
    guard text == "." || HostName(name)?.fitsDNS == true else { return nil }
    description = text
  }
}

/// An option of resolv.conf(5), such as `ndots:5` or `trust-ad`.
public struct ResolverOption: TextCodable {
  public static let expectedForm = "a word of 1 to 64 printable ASCII characters without white space"

  public let description: String

  public init?(_ text: String) {
    let printable = UInt8(ascii: "!")...UInt8(ascii: "~")
    guard (1...64).contains(text.utf8.count), text.utf8.allSatisfy(printable.contains) else { return nil }
    // Some resolvers read a word that begins with one of these as the start of a comment.
    guard !text.hasPrefix("#"), !text.hasPrefix(";") else { return nil }
    description = text
  }

  /// The name without the value: the same option with another value replaces it.
  var name: Substring { description.prefix { $0 != ":" } }
}
