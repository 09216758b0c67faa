public import CNI

extension JSONValue {
  /// Parses JSON from a test.
  public init(json text: String) throws { self = try CNIJSON.decodeValue(Array(text.utf8)) }

  /// The value at a dotted path, such as `ips.0.address`.
  public func at(_ path: String) -> JSONValue? {
    path.split(separator: ".").reduce(self as JSONValue?) { value, step in
      if let index = Int(step) { return value?.array.flatMap { $0.indices.contains(index) ? $0[index] : nil } }
      return value?[String(step)]
    }
  }

  /// The scalar at a dotted path as text.
  public func text(_ path: String) -> String? {
    switch at(path) {
    case .string(let text): text
    case .integer(let number): "\(number)"
    case .number(let number): "\(number)"
    case .bool(let value): "\(value)"
    case .array, .object, .null, nil: nil
    }
  }

  /// The elements of the array at a dotted path; empty if there is no array.
  public func list(_ path: String) -> [JSONValue] { at(path)?.array ?? [] }

  /// This object with the members of `other` added; they replace members of the same name.
  public func merging(_ other: JSONValue) -> JSONValue {
    .object((object ?? [:]).merging(other.object ?? [:]) { _, new in new })
  }

  /// This object with one more member.
  public func with(_ key: String, _ value: JSONValue) -> JSONValue { merging(.object([key: value])) }

  /// This object without one member.
  public func without(_ key: String) -> JSONValue { .object((object ?? [:]).filter { $0.key != key }) }

  /// The value in one line.
  public var line: String { text }
}
