import NetTypes

/// The name of a sysctl below `net`, in the form of sysctl(8).
///
/// The first `.` or `/` is the separator; if it is `.`, a `/` means a dot in an interface name.
struct SysctlName: Equatable, Sendable {
  /// The name as written in the configuration.
  let text: String
  private let parts: [String]

  /// The placeholder for the attachment's interface name; only its first occurrence is replaced.
  private static let placeholder = Array("IFNAME".utf8)

  /// `nil` for a name that is not below `net` or could lead out of it.
  init?(_ text: String) {
    let dot = UInt8(ascii: "."), slash = UInt8(ascii: "/")
    let separator = text.utf8.first { $0 == dot || $0 == slash } ?? slash
    let parts = text.utf8.split(separator: separator).map { part in
      String(decoding: part.map { $0 == slash ? dot : $0 }, as: UTF8.self)
    }
    guard parts.count > 1, parts[0] == "net", !parts.contains(where: { $0 == "." || $0 == ".." }) else { return nil }
    guard text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else { return nil }
    self.text = text
    self.parts = parts
  }

  /// The name with dots as separators, whatever form it was written in.
  var dotted: String {
    parts.map { part in
      String(decoding: part.utf8.map { $0 == UInt8(ascii: ".") ? UInt8(ascii: "/") : $0 }, as: UTF8.self)
    }.joined(separator: ".")
  }

  /// The path below `/proc/sys`, with `interface` for the placeholder; `nil` leaves the path as it is.
  func path(for interface: InterfaceName?) -> String {
    let path = Array(parts.joined(separator: "/").utf8)
    let start = path.indices.first { path[$0...].starts(with: Self.placeholder) }
    guard let start, let interface else { return String(decoding: path, as: UTF8.self) }
    let rest = path[(start + Self.placeholder.count)...]
    return String(decoding: path[..<start] + interface.description.utf8 + rest, as: UTF8.self)
  }
}
