public import NetTypes

/// A value of a JSON document with its path, read with errors that contain the key, the value and what is wanted.
///
/// Keys match in upper and lower case, because runtimes and plugins in Go accept both; `null` means absent.
public struct JSONReader: Sendable {
  public let value: JSONValue
  /// The path, such as `ipam.ranges[0]`, with keys as spelled in the document; empty for the whole document.
  public let path: String
  /// Gets the path of each key that is looked up, present or not; for tests.
  public let onLookup: (@Sendable (String) -> Void)?

  public init(_ value: JSONValue, path: String = "", onLookup: (@Sendable (String) -> Void)? = nil) {
    self.value = value
    self.path = path
    self.onLookup = onLookup
  }

  /// The member; `nil` if the key is absent or `null`, or if this value is not an object.
  public subscript(key: String) -> JSONReader? {
    if let onLookup { onLookup(path(of: key)) }
    guard let (spelling, value) = value.member(key), value != .null else { return nil }
    return JSONReader(value, path: path(of: spelling), onLookup: onLookup)
  }

  private func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  /// - Throws: code 7 if the key is absent.
  public func required(_ key: String) throws(CNIError) -> JSONReader {
    guard let member = self[key] else {
      throw CNIError(.invalidNetworkConfig, "key \"\(path(of: key))\": missing")
    }
    return member
  }

  /// An error for this value, with what is wanted.
  public func refusal(_ wanted: String) -> CNIError {
    CNIError(.invalidNetworkConfig, "key \"\(path)\": \(value.summary): want \(wanted)")
  }
}

// MARK: this value

extension JSONReader {
  public func text() throws(CNIError) -> String {
    guard case .string(let text) = value else { throw refusal("a string") }
    return text
  }

  public func integer() throws(CNIError) -> Int {
    guard case .integer(let number) = value else { throw refusal("a whole number") }
    return Int(number)
  }

  /// The value as a port: 1 to 65535.
  public func portNumber() throws(CNIError) -> UInt16 {
    guard let port = UInt16(exactly: try integer()), port > 0 else { throw refusal("1 to 65535") }
    return port
  }

  public func flag() throws(CNIError) -> Bool {
    guard case .bool(let flag) = value else { throw refusal("true or false") }
    return flag
  }

  /// The value parsed from a text, such as an address or a name.
  public func parsed<Value: TextCodable>(as type: Value.Type = Value.self) throws(CNIError) -> Value {
    guard let parsed = try Value(text()) else { throw refusal(Value.expectedForm) }
    return parsed
  }

  public func elements() throws(CNIError) -> [JSONReader] {
    guard case .array(let values) = value else { throw refusal("a list") }
    return values.enumerated().map { JSONReader($1, path: "\(path)[\($0)]", onLookup: onLookup) }
  }

  public func object<Value: JSONReadable>(as type: Value.Type = Value.self) throws(CNIError) -> Value {
    guard case .object = value else { throw refusal("an object") }
    return try Value(self)
  }
}

// MARK: members; `nil` if they are absent

extension JSONReader {
  public func text(_ key: String) throws(CNIError) -> String? {
    guard let member = self[key] else { return nil }
    return try member.text()
  }

  /// The text; `nil` if it is absent or empty, because some runtimes send `""` for "not given".
  public func nonEmptyText(_ key: String) throws(CNIError) -> String? {
    guard let text = try text(key), !text.isEmpty else { return nil }
    return text
  }

  public func integer(_ key: String) throws(CNIError) -> Int? {
    guard let member = self[key] else { return nil }
    return try member.integer()
  }

  public func flag(_ key: String) throws(CNIError) -> Bool? {
    guard let member = self[key] else { return nil }
    return try member.flag()
  }

  /// The parsed value; `nil` if the text is absent or empty.
  public func parsed<Value: TextCodable>(_ key: String, as type: Value.Type = Value.self) throws(CNIError) -> Value? {
    guard let member = self[key], member.value != .string("") else { return nil }
    return try member.parsed()
  }

  public func object<Value: JSONReadable>(_ key: String, as type: Value.Type = Value.self) throws(CNIError) -> Value? {
    guard let member = self[key] else { return nil }
    return try member.object()
  }

  /// The elements of a list, each parsed by `element`.
  public func list<Value>(
    _ key: String, _ element: (JSONReader) throws(CNIError) -> Value
  ) throws(CNIError) -> [Value]? {
    guard let member = self[key] else { return nil }
    var values: [Value] = []
    for item in try member.elements() { values.append(try element(item)) }
    return values
  }

  public func texts(_ key: String) throws(CNIError) -> [String]? {
    try list(key) { (item) throws(CNIError) in try item.text() }
  }

  public func parsedList<Value: TextCodable>(_ key: String) throws(CNIError) -> [Value]? {
    try list(key) { (item) throws(CNIError) in try item.parsed() }
  }

  public func objects<Value: JSONReadable>(_ key: String) throws(CNIError) -> [Value]? {
    try list(key) { (item) throws(CNIError) in try item.object() }
  }
}

/// A value that can be read from a JSON object.
public protocol JSONReadable {
  /// - Throws: code 7 with the key, the value and what is wanted.
  init(_ json: JSONReader) throws(CNIError)
}
