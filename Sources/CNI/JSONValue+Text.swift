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
    case .array(let values): "[" + values.map(\.text).joined(separator: ",") + "]"
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
