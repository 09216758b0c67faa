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
  guard !path.isEmpty else { return CNIError(.decodingFailure, "JSON: \(complaint)", details: render(root)) }
  let (spelling, value) = follow(path, from: root)
  let found = value.map { ": " + render($0) } ?? ""
  let wanted = complaint.contains("not representable") || complaint.contains("does not fit") ? "want a smaller number" : complaint
  return CNIError(.invalidNetworkConfig, "key \"\(spelling)\"\(found): \(wanted)")
}

/// For bytes that are no JSON at all: there is no key to name.
func notJSON(_ error: any Error) -> CNIError {
  guard case .dataCorrupted(let context) = error as? DecodingError else {
    return CNIError(.decodingFailure, "not valid JSON", details: "\(error)")
  }
  return CNIError(.decodingFailure, "not valid JSON", details: context.debugDescription)
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
