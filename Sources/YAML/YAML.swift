public import CNI

/// Documents in YAML 1.1, read as the values that JSON has.
public enum YAML {
  /// The documents of a stream; a JSON value is a document too.
  ///
  /// - Throws: code 6 with the position, if the bytes are not YAML, or have more than JSON has: aliases, tags of their own,
  ///   a key that is given twice.
  public static func documents(_ bytes: [UInt8]) throws(CNIError) -> [JSONValue] {
    // libyaml does not read all escapes of JSON strings.
    if let value = try? CNIJSON.decodeValue(bytes, refusingRepeatedKeys: true) { return [value] }
    var parser = try YAMLParser(bytes)
    return try parser.documents()
  }
}

/// A value without quotes in YAML 1.1's core schema, as kubectl reads it.
enum PlainScalar {
  /// - Returns: `nil` for a number that JSON writes differently, such as `010`, `0x1F` or `1_000`.
  static func value(_ text: String) -> JSONValue? {
    switch text {
    case "", "~", "null", "Null", "NULL": return .null
    case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": return .bool(true)
    case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": return .bool(false)
    default: break
    }
    let unsigned = text.first == "-" || text.first == "+" ? text.dropFirst() : text[...]
    guard let first = unsigned.first, "0123456789.".contains(first) else { return .string(text) }
    if unsigned == "0" || first != "0", unsigned.allSatisfy("0123456789".contains), let number = Int64(text) {
      return .integer(number)
    }
    let isFraction = unsigned.allSatisfy("0123456789.eE+-".contains)
    if isFraction, unsigned.contains("."), let number = Double(text) { return .number(number) }
    return isOtherNumber(unsigned) ? nil : .string(text)
  }

  private static func isOtherNumber(_ text: Substring) -> Bool {
    let lower = text.lowercased()
    for (prefix, digits) in [("0x", "0123456789abcdef_"), ("0b", "01_"), ("0o", "01234567_"), ("", "0123456789_")]
    where lower.hasPrefix(prefix) && lower.count > prefix.count {
      if lower.dropFirst(prefix.count).allSatisfy(digits.contains) { return true }
    }
    return Double(lower) != nil
  }
}
