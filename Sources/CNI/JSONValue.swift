/// Any JSON value, also for data that is passed on unread.
public enum JSONValue: Equatable, Sendable {
  case null
  case bool(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  /// The members of an object; `nil` for anything else.
  public var object: [String: JSONValue]? {
    if case .object(let members) = self { members } else { nil }
  }

  /// The elements of an array; `nil` for anything else.
  public var array: [JSONValue]? {
    if case .array(let elements) = self { elements } else { nil }
  }

  /// The text of a string; `nil` for anything else.
  public var string: String? {
    if case .string(let text) = self { text } else { nil }
  }

  /// The member of that exact name.
  public subscript(key: String) -> JSONValue? { object?[key] }

  /// The member named `key`, in upper or lower case, with its name as spelled in the object.
  public func member(_ key: String) -> (key: String, value: JSONValue)? {
    guard let object else { return nil }
    if let value = object[key] { return (key, value) }
    return object.first { $0.key.isEqual(ignoringCase: key) }.map { ($0.key, $0.value) }
  }
}

extension String {
  func isEqual(ignoringCase other: String) -> Bool {
    // Only text of other scripts needs Unicode's tables, which are slow to load.
    let isASCII = utf8.allSatisfy { $0 < 0x80 } && other.utf8.allSatisfy { $0 < 0x80 }
    guard isASCII else { return lowercased() == other.lowercased() }
    return utf8.elementsEqual(other.utf8) { $0.asLowercase == $1.asLowercase }
  }
}

extension UInt8 {
  fileprivate var asLowercase: UInt8 { (0x41...0x5A).contains(self) ? self | 0x20 : self }
}

extension JSONValue: ExpressibleByStringLiteral {
  public init(stringLiteral value: String) { self = .string(value) }
}

extension JSONValue {
  /// The value in one line with sorted keys, so that equal values have equal texts (RFC 8259).
  ///
  /// This encoder is used because that of the JSON library takes more time than the rest of VERSION.
  public var text: String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .integer(let value): String(value)
    case .number(let value): "\(value)"
    case .string(let value): value.quoted
    case .array(let values): "[" + values.map { $0.text }.joined(separator: ",") + "]"
    case .object(let members):
      "{" + members.sorted { $0.key < $1.key }.map { "\($0.key.quoted):\($0.value.text)" }.joined(separator: ",") + "}"
    }
  }

  /// `text` in UTF-8.
  public var bytes: [UInt8] { Array(text.utf8) }

  /// The value for messages, at most 80 characters.
  var summary: String {
    let text = text
    return text.count <= 80 ? text : text.prefix(77) + "…"
  }
}

extension String {
  /// The text as a JSON string: quotes, backslashes and control characters are escaped.
  fileprivate var quoted: String {
    var quoted = "\""
    for character in unicodeScalars {
      switch character {
      case "\"", "\\": quoted += "\\\(character)"
      case "\n": quoted += "\\n"
      case "\r": quoted += "\\r"
      case "\t": quoted += "\\t"
      case "\u{0}"..."\u{1F}":
        let digits = String(character.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(character)
      }
    }
    return quoted + "\""
  }
}
