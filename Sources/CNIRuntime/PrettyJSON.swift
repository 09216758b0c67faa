public import CNI

extension JSONValue {
  /// Lines of two spaces' indentation for a person to read: what names a thing comes first, then the alphabet, then
  /// what a plugin hands to another.
  public func pretty() -> String { lines("") }

  private static let first = [
    "cniVersion", "name", "id", "type", "driver", "bridge", "master", "code", "msg", "subnet", "rangeStart", "rangeEnd",
    "gateway", "dst", "gw",
  ]
  private static let last = ["capabilities", "controlPlane", "ipam", "dns", "plugins"]

  private func lines(_ indentation: String) -> String {
    let memberIndentation = indentation + "  "
    switch self {
    case .object(let members) where !members.isEmpty:
      var rows: [String] = []
      for key in members.keys.sorted(by: Self.precedes) {
        guard let value = members[key] else { continue }
        rows.append(memberIndentation + JSONValue.string(key).text + ": " + value.lines(memberIndentation))
      }
      return "{\n" + rows.joined(separator: ",\n") + "\n\(indentation)}"
    case .array(let elements) where !elements.isEmpty:
      var rows: [String] = []
      for element in elements { rows.append(memberIndentation + element.lines(memberIndentation)) }
      return "[\n" + rows.joined(separator: ",\n") + "\n\(indentation)]"
    default: return text
    }
  }

  private static func precedes(_ left: String, _ right: String) -> Bool {
    let rank = { (key: String) in
      first.firstIndex(of: key) ?? first.count + (last.firstIndex(of: key).map { $0 + 1 } ?? 0)
    }
    return (rank(left), left) < (rank(right), right)
  }
}
