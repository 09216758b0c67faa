import CNI
import CNIJSON

/// Where a text stops being JSON, and what was wanted there (RFC 8259).
struct JSONFault: Error, Equatable {
  /// In bytes from the start.
  var offset: Int
  var wanted: String

  /// The first fault; `nil` for JSON.
  static func first(in bytes: [UInt8]) -> JSONFault? {
    var scanner = JSONScanner(bytes)
    do throws(JSONFault) {
      try scanner.document()
      return nil
    } catch {
      return error
    }
  }

  /// "line 3, column 5: found '}': want a value"; lines and columns count from 1, columns in characters.
  func text(_ bytes: [UInt8]) -> String {
    let before = bytes[..<offset]
    let line = before.count { $0 == UInt8(ascii: "\n") } + 1
    let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    let column = String(decoding: bytes[lineStart..<offset], as: UTF8.self).count + 1
    let rest = String(decoding: bytes[offset...].prefix(16), as: UTF8.self)
    let found = rest.first.map { $0.isNewline ? "the end of the line" : "'\($0)'" } ?? "the end"
    return "line \(line), column \(column): found \(found): want \(wanted)"
  }
}

/// Decodes any JSON, without the decoder's leniency: what it lets pass, such as a comma too many, Go's runtimes refuse.
///
/// - Throws: code 6 naming line and column where the bytes stop being JSON.
func decodeJSON(_ bytes: [UInt8]) throws(CNIError) -> JSONValue {
  if let fault = JSONFault.first(in: bytes) {
    throw CNIError(.decodingFailure, "not valid JSON", details: fault.text(bytes))
  }
  return try CNIJSON.decodeValue(bytes)
}

/// Reads JSON without keeping any of it.
private struct JSONScanner {
  private let bytes: [UInt8]
  private var position = 0

  /// As deep as the decoder goes.
  private static let deepest = 512

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func document() throws(JSONFault) {
    try value(depth: 0)
    skipSpace()
    guard position == bytes.count else { throw fault("nothing more") }
  }

  private mutating func value(depth: Int) throws(JSONFault) {
    guard depth < Self.deepest else { throw fault("at most \(Self.deepest) levels") }
    skipSpace()
    switch next {
    case UInt8(ascii: "{"): try object(depth: depth)
    case UInt8(ascii: "["): try array(depth: depth)
    case UInt8(ascii: "\""): try string()
    case UInt8(ascii: "t"): try word("true")
    case UInt8(ascii: "f"): try word("false")
    case UInt8(ascii: "n"): try word("null")
    case UInt8(ascii: "-"): try number()
    case .some(UInt8(ascii: "0")...UInt8(ascii: "9")): try number()
    default: throw fault("a value")
    }
  }

  private mutating func object(depth: Int) throws(JSONFault) {
    position += 1
    if take(UInt8(ascii: "}")) { return }
    repeat {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw fault("a key in double quotes") }
      try string()
      guard take(UInt8(ascii: ":")) else { throw fault("':'") }
      try value(depth: depth + 1)
    } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "}")) else { throw fault("',' or '}'") }
  }

  private mutating func array(depth: Int) throws(JSONFault) {
    position += 1
    if take(UInt8(ascii: "]")) { return }
    repeat { try value(depth: depth + 1) } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "]")) else { throw fault("',' or ']'") }
  }

  private mutating func string() throws(JSONFault) {
    position += 1
    while let byte = next {
      guard byte >= 0x20 else { throw fault("no control character in a string") }
      position += 1
      if byte == UInt8(ascii: "\"") { return }
      guard byte == UInt8(ascii: "\\") else { continue }
      guard let escaped = next, "\"\\/bfnrtu".utf8.contains(escaped) else { throw fault("one of \" \\ / b f n r t u") }
      position += 1
      guard escaped == UInt8(ascii: "u") else { continue }
      for _ in 0..<4 {
        guard let digit = next, Character(UnicodeScalar(digit)).isHexDigit else { throw fault("a hexadecimal digit") }
        position += 1
      }
    }
    throw fault("the string's closing double quotes")
  }

  private mutating func number() throws(JSONFault) {
    if next == UInt8(ascii: "-") { position += 1 }
    if next == UInt8(ascii: "0") { position += 1 } else { try digits() }
    if next == UInt8(ascii: ".") {
      position += 1
      try digits()
    }
    guard next == UInt8(ascii: "e") || next == UInt8(ascii: "E") else { return }
    position += 1
    if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
    try digits()
  }

  private mutating func digits() throws(JSONFault) {
    let start = position
    while let digit = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) { position += 1 }
    guard position > start else { throw fault("a digit") }
  }

  private mutating func word(_ word: String) throws(JSONFault) {
    guard bytes[position...].starts(with: word.utf8) else { throw fault("a value such as \(word)") }
    position += word.utf8.count
  }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  /// Whether `byte` came next, space aside; then it is behind us.
  private mutating func take(_ byte: UInt8) -> Bool {
    skipSpace()
    guard next == byte else { return false }
    position += 1
    return true
  }

  private mutating func skipSpace() {
    while let byte = next, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { position += 1 }
  }

  private func fault(_ wanted: String) -> JSONFault { JSONFault(offset: position, wanted: wanted) }
}
