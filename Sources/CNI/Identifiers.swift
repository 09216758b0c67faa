public import NetTypes

/// A container's ID, chosen by the runtime.
public struct ContainerID: TextCodable {
  public static let expectedForm =
    "a letter or digit, then letters, digits, '_', '.' or '-', at most \(maximumByteCount) bytes"

  /// Longer than the IDs of any runtime, and short enough for the rules, records and leases that contain it.
  public static let maximumByteCount = 1024

  public let description: String
  public init?(_ text: String) {
    guard text.utf8.count <= Self.maximumByteCount, isIdentifier(text) else { return nil }
    description = text
  }
}

/// A network's name; it is used as a file name, so it must not contain a path.
public struct NetworkName: TextCodable {
  public static let expectedForm =
    "a letter or digit, then letters, digits, '_', '.' or '-', without '..', at most \(maximumByteCount) bytes"

  /// The maximum length of a file name.
  public static let maximumByteCount = 255

  public let description: String
  public init?(_ text: String) {
    guard text.utf8.count <= Self.maximumByteCount, isIdentifier(text), !hasDoubleDot(text) else { return nil }
    description = text
  }
}

/// A plugin's file name, from `type` or `ipam.type`; never a path (CVE-2021-20206).
public struct PluginType: TextCodable {
  public static let expectedForm = "a plugin's file name, without '/' or '..'"
  public let description: String
  public init?(_ text: String) {
    guard (1...255).contains(text.utf8.count), text != ".", !hasDoubleDot(text) else { return nil }
    guard !text.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 == 0 }) else { return nil }
    description = text
  }

  /// Whether this IPAM plugin requests and releases addresses through the container's interface.
  ///
  /// The interface must then exist and be up before ADD and until after DEL.
  public var needsLink: Bool { description == "dhcp" }
}

/// Whether the text matches `^[a-zA-Z0-9][a-zA-Z0-9_.\-]*$`, the specification's pattern.
private func isIdentifier(_ text: String) -> Bool {
  guard let first = text.utf8.first, isAlphanumeric(first) else { return false }
  return text.utf8.allSatisfy {
    isAlphanumeric($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-")
  }
}

private func isAlphanumeric(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
    UInt8(ascii: "0")...UInt8(ascii: "9"):
    true
  default: false
  }
}

private func hasDoubleDot(_ text: String) -> Bool {
  zip(text.utf8, text.utf8.dropFirst()).contains { $0 == UInt8(ascii: ".") && $1 == UInt8(ascii: ".") }
}
