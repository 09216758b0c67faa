import CJansson

/// Parses JSON; only this module uses the JSON library.
public enum CNIJSON {
  /// Parses a JSON object.
  ///
  /// - Throws: code 6 if the bytes are not a JSON object, code 7 with the key, the value and what is wanted if one is
  ///   wrong.
  public static func decode<Value: JSONReadable>(_ type: Value.Type, from bytes: [UInt8]) throws(CNIError) -> Value {
    let value = try decodeValue(bytes)
    guard value.object != nil else { throw CNIError(.decodingFailure, "JSON: want an object") }
    return try Value(JSONReader(value))
  }

  /// Parses any JSON value.
  ///
  /// If an object has the same key twice, the last one is used, as in Go, unless that is refused.
  ///
  /// - Throws: code 6 with the position, if the bytes are not JSON.
  public static func decodeValue(
    _ bytes: [UInt8], refusingRepeatedKeys: Bool = false
  ) throws(CNIError) -> JSONValue {
    let flags = refusingRepeatedKeys ? JSON_REJECT_DUPLICATES : 0
    do throws(ParseError) {
      return try ParsedJSON.parse(bytes, flags: flags).value
    } catch  where error.isOverflow {
      // A number of more than 64 bits is never valid, but as a real number it does not hide the key from the error message.
      return try decodeValue(bytes, flags: flags | JSON_DECODE_INT_AS_REAL)
    } catch { throw error.cniError }
  }

  private static func decodeValue(_ bytes: [UInt8], flags: Int32) throws(CNIError) -> JSONValue {
    do throws(ParseError) {
      return try ParsedJSON.parse(bytes, flags: flags).value
    } catch { throw error.cniError }
  }
}

/// The parser's error, with its position.
struct ParseError: Error {
  var isOverflow: Bool
  var line: Int
  var column: Int
  var text: String

  var cniError: CNIError {
    CNIError(.decodingFailure, "not valid JSON", details: "line \(line), column \(column): \(text)")
  }
}
