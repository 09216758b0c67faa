import CJansson

/// A document in the memory of the JSON library, owned by this value.
@safe
public struct ParsedJSON: ~Copyable {
  private let root: UnsafeMutablePointer<json_t>

  private init(adopting root: UnsafeMutablePointer<json_t>) { unsafe self.root = root }

  deinit { unsafe json_decref(root) }

  /// - Parameters:
  ///   - bytes: one JSON value without anything after it.
  ///   - flags: `JSON_DECODE_*`, added to the flags that are always used.
  /// - Returns: the document.
  /// - Throws: the parser's error.
  static func parse(_ bytes: [UInt8], flags: Int32 = 0) throws(ParseError) -> ParsedJSON {
    var error = json_error_t()
    let always = JSON_DECODE_ANY | JSON_ALLOW_NUL
    let root = unsafe bytes.withUnsafeBytes { bytes in
      let text = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
      return unsafe json_loadb(text, text == nil ? 0 : bytes.count, Int(always | flags), &error)
    }
    guard let root = unsafe root else {
      throw ParseError(
        isOverflow: unsafe json_error_code(&error) == json_error_numeric_overflow
          && flags & JSON_DECODE_INT_AS_REAL == 0,
        line: max(1, Int(error.line)), column: max(1, Int(error.column)), text: error.message)
    }
    return unsafe ParsedJSON(adopting: root)
  }

  var value: JSONValue { unsafe JSONValue(root) }
}

extension json_error_t {
  fileprivate var message: String {
    unsafe withUnsafeBytes(of: text) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}

extension JSONValue {
  fileprivate init(_ json: UnsafeMutablePointer<json_t>) {
    switch unsafe json.pointee.type {
    case JSON_OBJECT: self = unsafe .object(members(of: json))
    case JSON_ARRAY:
      self = unsafe .array((0..<json_array_size(json)).map { unsafe JSONValue(json_array_get(json, $0)) })
    case JSON_STRING: self = unsafe .string(decoded(json_string_value(json), json_string_length(json)))
    case JSON_INTEGER: self = unsafe .integer(json_integer_value(json))
    case JSON_REAL: self = unsafe JSONValue(json_real_value(json))
    case JSON_TRUE: self = .bool(true)
    case JSON_FALSE: self = .bool(false)
    default: self = .null
    }
  }

  /// A whole number that a `Double` represents exactly becomes an integer, however it was written.
  private init(_ number: Double) {
    self = Int64(exactly: number).map { .integer($0) } ?? .number(number)
  }
}

private func members(of json: UnsafeMutablePointer<json_t>) -> [String: JSONValue] {
  var members: [String: JSONValue] = [:]
  var entry = unsafe json_object_iter(json)
  while unsafe entry != nil {
    let key = unsafe String(cString: json_object_iter_key(entry))
    members[key] = unsafe JSONValue(json_object_iter_value(entry))
    unsafe entry = json_object_iter_next(json, entry)
  }
  return members
}

/// Decodes bytes that the library has checked to be UTF-8.
private func decoded(_ start: UnsafePointer<CChar>?, _ count: Int) -> String {
  unsafe UnsafeRawBufferPointer(start: start, count: count).withMemoryRebound(to: UInt8.self) {
    unsafe String(decoding: $0, as: UTF8.self)
  }
}
