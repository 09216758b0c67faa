/// A network interface's name, as the kernel takes it (`dev_valid_name`) and neither it nor nft expands it: not `br%d`, `br*`.
public struct InterfaceName: TextCodable {
  public static let wanted =
    "an interface name of 1 to 15 bytes without '/', ':', '%', '*' or white space, not '.' or '..'"

  /// The most bytes a name may hold: `IFNAMSIZ` less the terminating zero.
  public static let maximumByteCount = 15

  public let description: String

  public init?(_ text: String) {
    guard !text.utf8.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "*") }) else { return nil }
    guard let name = InterfaceName.ofLink(text) else { return nil }
    self = name
  }

  /// The name of a link that is there, which may be one that we would not give; `nil` for what no link can have.
  public static func ofLink(_ text: String) -> InterfaceName? {
    guard (1...maximumByteCount).contains(text.utf8.count), text != ".", text != ".." else { return nil }
    let refused = text.unicodeScalars.contains {
      $0 == "/" || $0 == ":" || $0.properties.isWhitespace || $0.value < 0x20 || $0.value == 0x7F
    }
    return refused ? nil : InterfaceName(checked: text)
  }

  private init(checked text: String) { description = text }
}
