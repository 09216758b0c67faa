import CNI

/// Says which key is wrong, what its value is and what was wanted.
///
/// The decoder tells a path of lower-case keys and no value, so both are looked up again in the bytes.
func explain(_ error: any Error, in bytes: [UInt8]) -> CNIError {
  guard let error = error as? DecodingError else { return CNIError(.decodingFailure, "decode JSON: \(error)") }
  let (path, complaint): ([any CodingKey], String) =
    switch error {
    case .keyNotFound(let key, let context): (context.codingPath + [key], "missing")
    case .typeMismatch(let type, let context): (context.codingPath, "want \(name(type))")
    case .valueNotFound(let type, let context): (context.codingPath, "want \(name(type))")
    case .dataCorrupted(let context): (context.codingPath, context.debugDescription)
    @unknown default: ([], "\(error)")
    }
  guard let root = try? CNIJSON.decodeValue(bytes) else {
    return CNIError(.decodingFailure, "not valid JSON", details: complaint)
  }
  guard !path.isEmpty else { return withoutPath(root, complaint) }
  let (spelling, value) = follow(path, from: root)
  let found = value.map { ": " + render($0) } ?? ""
  return CNIError(.invalidNetworkConfig, "key \"\(spelling)\"\(found): \(complaint)")
}

/// The decoder gives no path for a number that is not whole, and for a document that is no object.
private func withoutPath(_ root: JSONValue, _ complaint: String) -> CNIError {
  let fractions = fractions(in: root, at: "")
  guard root.object != nil, !fractions.isEmpty else {
    return CNIError(.decodingFailure, "JSON: \(complaint)", details: render(root))
  }
  return CNIError(
    .invalidNetworkConfig, fractions.sorted().joined(separator: ", ") + ": want a whole number of at most 64 bits")
}

/// Every number that is not whole or too large, with its key.
private func fractions(in value: JSONValue, at key: String) -> [String] {
  switch value {
  case .number: ["key \"\(key)\": \(render(value))"]
  case .array(let elements): elements.enumerated().flatMap { fractions(in: $1, at: "\(key)[\($0)]") }
  case .object(let members): members.flatMap { fractions(in: $1, at: key.isEmpty ? $0 : "\(key).\($0)") }
  case .null, .bool, .integer, .string: []
  }
}

private func name(_ type: Any.Type) -> String {
  switch type {
  case is Bool.Type: "true or false"
  case is String.Type: "a string"
  case is Int.Type, is Int64.Type: "a whole number"
  case is Double.Type: "a number"
  case is any Collection.Type where "\(type)".hasPrefix("Array"): "a list"
  default: "\(type)".hasPrefix("Array") ? "a list" : "an object"
  }
}

/// The path as the user spelled it (`ipam.ranges[0][1].subnet`), and the value there.
private func follow(_ path: [any CodingKey], from root: JSONValue) -> (String, JSONValue?) {
  var spelling = ""
  var value: JSONValue? = root
  for key in path {
    if let index = key.intValue {
      spelling += "[\(index)]"
      value = value?.array.flatMap { $0.indices.contains(index) ? $0[index] : nil }
    } else {
      let member = value?.member(key.stringValue)
      spelling += (spelling.isEmpty ? "" : ".") + (member?.key ?? key.stringValue)
      value = member?.value
    }
  }
  return (spelling, value)
}

/// A value in one short line.
private func render(_ value: JSONValue) -> String {
  guard let bytes = try? CNIJSON.encode(value) else { return "" }
  let text = String(decoding: bytes, as: UTF8.self)
  return text.count <= 80 ? text : text.prefix(77) + "…"
}
