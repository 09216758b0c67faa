/// Writes the key tables as Markdown, between the markers of a document.
public enum KeyDocs {
  private static let start = "<!-- keys: "
  private static let end = "<!-- end -->"

  /// The document with each table between `<!-- keys: PLUGIN PATH -->` and `<!-- end -->` written anew.
  ///
  /// `PATH` is a group of keys or the way to an object: `controlPlane.peers`.
  /// - Returns: `nil` if a marker names no table or has no end.
  public static func filled(_ document: String) -> String? {
    var lines: [Substring] = []
    var isInside = false
    for line in document.split(separator: "\n", omittingEmptySubsequences: false) {
      if isInside {
        guard !line.hasPrefix(start) else { return nil }
        guard line == end else { continue }
        isInside = false
      }
      lines.append(line)
      guard line.hasPrefix(start) else { continue }
      guard let table = table(marker: line) else { return nil }
      lines += ["", Substring(table), ""]
      isInside = true
    }
    return isInside ? nil : lines.joined(separator: "\n")
  }

  private static func table(marker: Substring) -> String? {
    let words = marker.dropFirst(start.count).split(separator: " ")
    guard let name = words.first, words.last == "-->" else { return nil }
    return table(String(name), words.count > 2 ? String(words[1]) : "")
  }

  /// The table of a plugin's keys, or of those of a group or object; `nil` if there is none.
  static func table(_ plugin: String, _ path: String) -> String? {
    let keys: [Key]?
    switch plugin {
    case "every": keys = Key.common
    case "list": keys = Key.list
    case "runtimeConfig": keys = Key.runtimeConfig
    case "mapping": keys = Key.mapping
    case "range": keys = Key.range
    default: keys = (KeyTables.plugins + KeyTables.ipam).first { $0.names.contains(plugin) }?.keys(of: path)
    }
    guard let keys, !keys.isEmpty else { return nil }
    // `ipam.type` chooses the table itself.
    let isIPAM = KeyTables.ipam.contains { $0.names.contains(plugin) } && path.isEmpty
    let rows = keys.filter { !isIPAM || $0.name != "type" }.map {
      "| `\($0.name)` | \($0.type) | \($0.fallback) | \($0.description) |"
    }
    return (["| key | type | default | meaning |", "| --- | --- | --- | --- |"] + rows).joined(separator: "\n")
  }
}

extension Key {
  /// The kind and range of its value in words.
  fileprivate var type: String {
    guard let range else { return shape.text }
    return "\(shape.text), \(range.lowerBound) to \(range.upperBound)" + (isZeroAbsent ? "; 0 is absent" : "")
  }
}

extension Shape {
  fileprivate var text: String {
    switch self {
    case .string, .subnet: "string"
    case .bool: "true/false"
    case .int: "number"
    case .object, .members, .open: "object"
    case .address: "address"
    case .prefix: "prefix"
    case .mac: "MAC address"
    case .off: "false"
    case .word(let words): words.dropLast().map { "`\($0)`" }.joined(separator: ", ") + " or `\(words.last ?? "")`"
    case .either(let shapes): shapes.map(\.text).joined(separator: " or ")
    case .list(let element): element.plural.map { "list of \($0)" } ?? "list"
    }
  }

  /// `nil` if there is no short word.
  private var plural: String? {
    switch self {
    case .address: "addresses"
    case .prefix: "prefixes"
    case .mac: "MAC addresses"
    case .list(let element): element.plural.map { "lists of \($0)" } ?? "lists"
    case .word, .either, .bool, .off: nil
    default: text + "s"
    }
  }
}
