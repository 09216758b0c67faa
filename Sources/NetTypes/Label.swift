/// A label of a container, `KEY=VALUE`: other containers' policies name it.
public struct Label: TextCodable, Comparable {
  public static let expectedForm = "a label: \"KEY=VALUE\""

  public let description: String

  public init?(_ text: String) {
    guard let end = text.utf8.firstIndex(of: UInt8(ascii: "=")), end != text.utf8.startIndex else { return nil }
    description = text
  }

  public init(key: String, value: String) { description = "\(key)=\(value)" }

  public var key: String { String(description.prefix { $0 != "=" }) }
  public var value: String { String(description.drop { $0 != "=" }.dropFirst()) }

  public static func < (left: Self, right: Self) -> Bool { left.description < right.description }
}
