extension JSONValue {
  /// An object with these members, but for those that are `nil`.
  public static func record(_ members: [String: JSONValue?]) -> JSONValue { .object(members.compactMapValues { $0 }) }
}

/// Members of a record, from values that may be absent.
extension JSONValue? {
  /// The value's textual form, as `JSONReader.parsed` reads it.
  public static func text(_ value: (some LosslessStringConvertible)?) -> JSONValue? {
    value.map { .string($0.description) }
  }

  /// `nil` also for an empty text.
  public static func nonEmptyText(_ value: String?) -> JSONValue? { value.flatMap { $0.isEmpty ? nil : .string($0) } }

  public static func number(_ value: (some BinaryInteger)?) -> JSONValue? {
    value.map { .integer(Int64(truncatingIfNeeded: $0)) }
  }

  /// `true`, or no member.
  public static func flag(_ isSet: Bool) -> JSONValue? { isSet ? .bool(true) : nil }

  /// An array of textual forms.
  public static func texts(_ values: [some LosslessStringConvertible]) -> JSONValue? {
    .array(values.map { .string($0.description) })
  }

  /// `nil` also for no values.
  public static func nonEmptyTexts(_ values: [some LosslessStringConvertible]) -> JSONValue? {
    values.isEmpty ? nil : texts(values)
  }

  /// `nil` for no elements.
  public static func nonEmpty(_ elements: [JSONValue]) -> JSONValue? { elements.isEmpty ? nil : .array(elements) }
}
