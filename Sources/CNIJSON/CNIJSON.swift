public import CNI
import FoundationEssentials

/// JSON in and out, the one place that knows Foundation.
public enum CNIJSON {
  /// Decodes `bytes`, matching keys without regard to case as Go's runtimes and plugins do.
  ///
  /// `Value` spells its coding keys in lower case. Of two spellings of one key the first counts.
  ///
  /// - Throws: code 6 where the bytes are no JSON, code 7 naming key, value and what was wanted where a value is wrong.
  public static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws(CNIError) -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .custom { path in LowercaseKey(path[path.count - 1]) }
    do {
      return try decoder.decode(type, from: Data(bytes))
    } catch {
      throw explain(error, in: bytes)
    }
  }

  /// Decodes any JSON, its keys as written.
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
  public static func encode<Value: Encodable>(_ value: Value, pretty: Bool = false) throws(CNIError) -> [UInt8] {
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

private struct LowercaseKey: CodingKey {
  let stringValue: String
  let intValue: Int?
  init(_ key: any CodingKey) {
    stringValue = key.stringValue.lowercased()
    intValue = key.intValue
  }
  init?(stringValue: String) {
    self.stringValue = stringValue
    intValue = nil
  }
  init?(intValue: Int) {
    stringValue = String(intValue)
    self.intValue = intValue
  }
}
