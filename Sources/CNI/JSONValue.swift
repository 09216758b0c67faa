/// Any JSON value, for what is passed on without being understood.
public enum JSONValue: Decodable, Equatable, Sendable {
  case null
  case bool(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  public init(from decoder: any Decoder) throws {
    // Each wrong guess costs an error that is made and thrown away, so the likely kinds come first.
    let scalar = try decoder.singleValueContainer()
    if scalar.decodeNil() {
      self = .null
    } else if let value = try? scalar.decode(String.self) {
      self = .string(value)
    } else if let members = try? scalar.decode([String: JSONValue].self) {
      self = .object(members)
    } else if let value = try? scalar.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? scalar.decode(Int64.self) {
      self = .integer(value)
    } else if let values = try? scalar.decode([JSONValue].self) {
      self = .array(values)
    } else {
      self = .number(try scalar.decode(Double.self))
    }
  }

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

  /// The member whose name is `key` but for upper and lower case, as it is written.
  public func member(_ key: String) -> (key: String, value: JSONValue)? {
    guard let object else { return nil }
    if let value = object[key] { return (key, value) }
    return object.first { $0.key.lowercased() == key.lowercased() }.map { ($0.key, $0.value) }
  }
}

extension JSONValue: ExpressibleByStringLiteral {
  public init(stringLiteral value: String) { self = .string(value) }
}
