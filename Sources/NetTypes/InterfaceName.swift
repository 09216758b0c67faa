/// A network interface's name, as the kernel takes it (`dev_valid_name`).
public struct InterfaceName: TextCodable {
  public static let wanted = "an interface name of 1 to 15 bytes without '/', ':' or white space, not '.' or '..'"

  /// The most bytes a name may hold: `IFNAMSIZ` less the terminating zero.
  public static let maximumByteCount = 15

  public let description: String

  public init?(_ text: String) {
    guard (1...Self.maximumByteCount).contains(text.utf8.count), text != ".", text != ".." else { return nil }
    let refused = text.unicodeScalars.contains {
      $0 == "/" || $0 == ":" || $0.properties.isWhitespace || $0.value < 0x20 || $0.value == 0x7F
    }
    guard !refused else { return nil }
    description = text
  }
}
