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
    return object.first { $0.key.lowercased() == key.lowercased() }.map { ($0.key, $0.value) }
  }
}

extension JSONValue: ExpressibleByStringLiteral {
  public init(stringLiteral value: String) { self = .string(value) }
}
