public import NetTypes

/// A name that a hosts file may hold: RFC 1123 labels with dots between them, and `_`, which networks' names have.
///
/// Names that differ in upper and lower case are equal (RFC 1035, section 2.3.3); the case they came with is kept.
public struct HostName: TextCodable {
  public static let wanted =
    "a host name: labels of 1 to 63 letters, digits, '-' or '_', not beginning or ending with '-', 253 bytes at most"

  /// The longest name and the longest label, in bytes (RFC 1035, section 2.3.4).
  static let maximumByteCount = 253
  static let maximumLabelByteCount = 63

  public let description: String

  public init?(_ text: String) {
    guard (1...Self.maximumByteCount).contains(text.utf8.count) else { return nil }
    let labels = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard labels.allSatisfy(Self.isLabel) else { return nil }
    // A resolver takes what is all digits and dots for an address and never looks it up.
    guard IPAddress(text) == nil else { return nil }
    description = text
  }

  private static func isLabel(_ label: Substring.UTF8View) -> Bool {
    guard (1...maximumLabelByteCount).contains(label.count) else { return false }
    let hyphen = UInt8(ascii: "-")
    return label.first != hyphen && label.last != hyphen && label.allSatisfy { isAlphanumeric($0) || $0 == hyphen }
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  /// This name below `suffix`, `web` below `shop`: `web.shop`; `nil` where that is too long.
  public func below(_ suffix: String) -> HostName? { HostName("\(description).\(suffix)") }

  public static func == (left: HostName, right: HostName) -> Bool { left.folded == right.folded }

  public func hash(into hasher: inout Hasher) { hasher.combine(folded) }

  private var folded: String { description.lowercased() }
}
