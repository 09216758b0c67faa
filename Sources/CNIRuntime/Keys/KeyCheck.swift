import CNI
import NetTypes

/// Compares JSON with the keys and values that a plugin knows.
enum KeyCheck {
  /// One complaint for each key that is unknown and each value of the wrong kind.
  ///
  /// `path` is the object's position, with a dot at its end: `plugins[0].`.
  static func complaints(_ object: [String: JSONValue], keys: [Key], at path: String) -> [String] {
    object.sorted { $0.key < $1.key }.flatMap { key, value -> [String] in
      guard let match = keys.first(where: { $0.name.lowercased() == key.lowercased() }) else {
        return ["unknown key \"\(path)\(key)\"" + suggestion(key, among: keys.map(\.name))]
      }
      return complaints(value, match.shape, at: path + key)
    }
  }

  private static func complaints(_ value: JSONValue, _ shape: Shape, at path: String) -> [String] {
    // Runtimes and operators write both for an absent value.
    if value == .null || value == .string("") { return [] }
    switch shape {
    case .list(let element):
      guard let elements = value.array else { return [wrong(path, value, "a list")] }
      return elements.enumerated().flatMap { complaints($1, element, at: "\(path)[\($0)]") }
    case .members(let keys):
      guard let members = value.object else { return [wrong(path, value, "an object")] }
      return complaints(members, keys: keys, at: path + ".")
    default:
      let problem = scalarComplaint(value, shape)
      return problem.map { [wrong(path, value, $0)] } ?? []
    }
  }

  /// The expected form; `nil` if the value is valid.
  private static func scalarComplaint(_ value: JSONValue, _ shape: Shape) -> String? {
    switch (shape, value) {
    case (.string, .string), (.bool, .bool), (.int, .integer), (.object, .object), (.open, .object): nil
    case (.string, _): "a string"
    case (.bool, _): "true or false"
    case (.int, _): "a whole number"
    case (.object, _), (.open, _): "an object"
    case (.address, .string(let text)): IPAddress(text) == nil ? IPAddress.expectedForm : nil
    case (.address, _): IPAddress.expectedForm
    case (.prefix, .string(let text)): IPPrefix(text) == nil ? IPPrefix.expectedForm : nil
    case (.prefix, _): IPPrefix.expectedForm
    case (.mac, .string(let text)): MACAddress(text) == nil ? MACAddress.expectedForm : nil
    case (.mac, _): MACAddress.expectedForm
    case (.subnet, .string(let text)): AutomaticSubnet(rawValue: text) == nil && IPPrefix(text) == nil ? subnet : nil
    case (.subnet, _): subnet
    case (.word(let words), .string(let text)): words.contains(text) ? nil : oneOf(words)
    case (.word(let words), _): oneOf(words)
    case (.list, _), (.members, _), (.either, _), (.off, _): nil
    }
  }

  private static let subnet =
    "\(IPPrefix.expectedForm), \"\(AutomaticSubnet.v4.rawValue)\" or \"\(AutomaticSubnet.v6.rawValue)\""

  private static func oneOf(_ words: [String]) -> String { "one of \(words.joined(separator: ", "))" }

  private static func wrong(_ path: String, _ value: JSONValue, _ wanted: String) -> String {
    "key \"\(path)\": \(value.text.prefix(80)): want \(wanted)"
  }

  /// `: did you mean "bridge"?`; empty if no candidate is similar.
  static func suggestion(_ word: String, among candidates: [String]) -> String {
    let near = candidates.map { (distance: editDistance(word.lowercased(), $0.lowercased()), word: $0) }
      .min { ($0.distance, $0.word) < ($1.distance, $1.word) }
    guard let near, near.distance <= max(2, word.count / 3), near.distance < word.count else { return "" }
    return ": did you mean \"\(near.word)\"?"
  }
}

/// The words that let `ipam-host-local` choose a subnet.
enum AutomaticSubnet: String {
  case v4 = "auto"
  case v6 = "auto-ipv6"
}

/// The number of characters to insert, delete, replace or swap with their neighbour.
func editDistance(_ left: String, _ right: String) -> Int {
  let left = Array(left), right = Array(right)
  var rows = [Array(0...right.count)]
  for i in 0..<left.count {
    var row = [i + 1]
    for j in 0..<right.count {
      var best = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (left[i] == right[j] ? 0 : 1))
      if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] { best = min(best, rows[i - 1][j - 1] + 1) }
      row.append(best)
    }
    rows.append(row)
  }
  return rows[left.count][right.count]
}
