public import CNI
import FoundationEssentials

/// JSON as it comes in, the one place that knows Foundation.
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
  /// - Throws: code 6 where the bytes are no JSON.
  public static func decodeValue(_ bytes: [UInt8]) throws(CNIError) -> JSONValue {
    do {
      return try JSONDecoder().decode(JSONValue.self, from: Data(bytes))
    } catch {
      throw CNIError(.decodingFailure, "not valid JSON", details: "\(error)")
    }
  }
}
