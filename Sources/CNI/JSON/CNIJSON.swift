import CJansson

/// JSON as it comes in; the one place that knows the library that parses it.
public enum CNIJSON {
  /// Reads a JSON object out of `bytes`.
  ///
  /// - Throws: code 6 where the bytes are no JSON object, code 7 naming key, value and what was wanted where one is wrong.
  public static func decode<Value: JSONReadable>(_ type: Value.Type, from bytes: [UInt8]) throws(CNIError) -> Value {
    let value = try decodeValue(bytes)
    guard value.object != nil else { throw CNIError(.decodingFailure, "JSON: want an object") }
    return try Value(JSONReader(value))
  }

  /// Reads any JSON.
  ///
  /// Of the same key twice in one object the last counts, as in Go, unless that is refused.
  ///
  /// - Throws: code 6 where the bytes are no JSON, telling where.
  public static func decodeValue(
    _ bytes: [UInt8], refusingRepeatedKeys: Bool = false
  ) throws(CNIError) -> JSONValue {
    let flags = refusingRepeatedKeys ? JSON_REJECT_DUPLICATES : 0
    do throws(ParseError) {
      return try ParsedJSON.parse(bytes, flags: flags).value
    } catch  where error.isOverflow {
      // A number of more than 64 bits is none of ours, but it must not hide which key it is.
      return try decodeValue(bytes, flags: flags | JSON_DECODE_INT_AS_REAL)
    } catch { throw error.told }
  }

  private static func decodeValue(_ bytes: [UInt8], flags: Int32) throws(CNIError) -> JSONValue {
    do throws(ParseError) {
      return try ParsedJSON.parse(bytes, flags: flags).value
    } catch { throw error.told }
  }
}

/// What the parser says is wrong, and where.
struct ParseError: Error {
  var isOverflow: Bool
  var line: Int
  var column: Int
  var text: String

  var told: CNIError {
    CNIError(.decodingFailure, "not valid JSON", details: "line \(line), column \(column): \(text)")
  }
}
