public import CNI
import CNIJSON

extension JSONValue {
  /// Lines of two spaces' indentation for a person to read: what names a thing comes first, then the alphabet.
  public func pretty() throws(CNIError) -> String { try lines("") }

  private static let first = ["cniVersion", "name", "id", "type", "driver", "bridge", "code", "msg"]

  private func lines(_ indentation: String) throws(CNIError) -> String {
    let inner = indentation + "  "
    switch self {
    case .object(let members) where !members.isEmpty:
      var rows: [String] = []
      for key in members.keys.sorted(by: Self.precedes) {
        guard let value = members[key] else { continue }
        rows.append(try inner + JSONValue.string(key).oneLine() + ": " + value.lines(inner))
      }
      return "{\n" + rows.joined(separator: ",\n") + "\n\(indentation)}"
    case .array(let elements) where !elements.isEmpty:
      var rows: [String] = []
      for element in elements { rows.append(try inner + element.lines(inner)) }
      return "[\n" + rows.joined(separator: ",\n") + "\n\(indentation)]"
    default: return try oneLine()
    }
  }

  private func oneLine() throws(CNIError) -> String { String(decoding: try CNIJSON.encode(self), as: UTF8.self) }

  private static func precedes(_ left: String, _ right: String) -> Bool {
    let rank = { (key: String) in first.firstIndex(of: key) ?? first.count }
    return (rank(left), left) < (rank(right), right)
  }
}
