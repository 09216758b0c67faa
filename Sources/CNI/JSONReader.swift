public import NetTypes

/// A part of a JSON document and where it stands, read piece by piece with errors that name key, value and what was
/// wanted.
///
/// Keys match without regard to case, because Go's runtimes and plugins take them so; `null` means absent.
public struct JSONReader: Sendable {
  public let value: JSONValue
  /// `ipam.ranges[0]`, keys spelled as in the document; empty for the whole.
  public let path: String

  public init(_ value: JSONValue, path: String = "") {
    self.value = value
    self.path = path
  }

  /// `nil` where the key is absent or `null`, or where this is no object.
  public subscript(key: String) -> JSONReader? {
    guard let (spelling, value) = value.member(key), value != .null else { return nil }
    return JSONReader(value, path: path.isEmpty ? spelling : "\(path).\(spelling)")
  }

  /// - Throws: code 7 where the key is absent.
  public func required(_ key: String) throws(CNIError) -> JSONReader {
    guard let member = self[key] else {
      throw CNIError(.invalidNetworkConfig, "key \"\(path.isEmpty ? key : "\(path).\(key)")\": missing")
    }
    return member
  }

  /// The error that says what is wrong here.
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

  /// A port: 1 to 65535.
  public func portNumber() throws(CNIError) -> UInt16 {
    guard let port = UInt16(exactly: try integer()), port > 0 else { throw refusal("1 to 65535") }
    return port
  }

  public func flag() throws(CNIError) -> Bool {
    guard case .bool(let flag) = value else { throw refusal("true or false") }
    return flag
  }

  /// The value behind a text: an address, a name.
  public func parsed<Value: TextCodable>(as type: Value.Type = Value.self) throws(CNIError) -> Value {
    guard let parsed = try Value(text()) else { throw refusal(Value.wanted) }
    return parsed
  }

  public func elements() throws(CNIError) -> [JSONReader] {
    guard case .array(let values) = value else { throw refusal("a list") }
    return values.enumerated().map { JSONReader($1, path: "\(path)[\($0)]") }
  }

  public func object<Value: JSONReadable>(as type: Value.Type = Value.self) throws(CNIError) -> Value {
    guard case .object = value else { throw refusal("an object") }
    return try Value(self)
  }
}

// MARK: members; `nil` where they are absent

extension JSONReader {
  public func text(_ key: String) throws(CNIError) -> String? {
    guard let member = self[key] else { return nil }
    return try member.text()
  }

  /// An empty text counts as absent: some runtimes send `""` for "not given".
  public func filledText(_ key: String) throws(CNIError) -> String? {
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

  /// An empty text counts as absent.
  public func parsed<Value: TextCodable>(_ key: String, as type: Value.Type = Value.self) throws(CNIError) -> Value? {
    guard let member = self[key], member.value != .string("") else { return nil }
    return try member.parsed()
  }

  public func object<Value: JSONReadable>(_ key: String, as type: Value.Type = Value.self) throws(CNIError) -> Value? {
    guard let member = self[key] else { return nil }
    return try member.object()
  }

  /// A list, each element read by `element`.
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

/// What can be read out of a JSON object.
public protocol JSONReadable {
  /// - Throws: code 7 naming key, value and what was wanted.
  init(_ json: JSONReader) throws(CNIError)
}
