public import CNI
import FoundationEssentials

/// JSON in and out, the one place that knows Foundation.
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

  /// Encodes in one line with sorted keys, so that equal values are equal bytes.
  public static func encode(_ value: JSONValue, pretty: Bool = false) throws(CNIError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
    do {
      return try Array(encoder.encode(value))
    } catch {
      throw CNIError(.ioFailure, "encode JSON: \(error)")
    }
  }
}
