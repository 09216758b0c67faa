/// The name of a network interface, valid in the kernel (`dev_valid_name`).
///
/// Names that the kernel or nft would expand (`br%d`, `br*`) are not allowed.
public struct InterfaceName: TextCodable {
  public static let expectedForm =
    "an interface name of 1 to 15 bytes without '/', ':', '%', '*' or white space, not '.' or '..'"

  /// The maximum length in bytes: `IFNAMSIZ` minus the terminating NUL.
  public static let maximumByteCount = 15

  public let description: String

  public init?(_ text: String) {
    guard !text.utf8.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "*") }) else { return nil }
    guard let name = InterfaceName.ofLink(text) else { return nil }
    self = name
  }

  /// The name of an existing link, which we may not be allowed to give ourselves; `nil` if no link can have that name.
  public static func ofLink(_ text: String) -> InterfaceName? {
    guard (1...maximumByteCount).contains(text.utf8.count), text != ".", text != ".." else { return nil }
    let refused = text.unicodeScalars.contains {
      $0 == "/" || $0 == ":" || $0.properties.isWhitespace || $0.value < 0x20 || $0.value == 0x7F
    }
    return refused ? nil : InterfaceName(checked: text)
  }

  private init(checked text: String) { description = text }
}
