import NetTypes

/// The name of a kernel setting below `net`, as `sysctl(8)` takes it.
///
/// The first `.` or `/` is what separates the parts; where it is `.`, a `/` stands for a dot in an interface's name.
struct SysctlName: Equatable, Sendable {
  /// As it was written.
  let text: String
  private let parts: [String]

  /// What the name of the attachment's interface is put for, once.
  private static let placeholder = Array("IFNAME".utf8)

  /// `nil` for what is not below `net`, or might leave it.
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

  /// The name with dots between its parts, however it was written.
  var dotted: String {
    parts.map { part in
      String(decoding: part.utf8.map { $0 == UInt8(ascii: ".") ? UInt8(ascii: "/") : $0 }, as: UTF8.self)
    }.joined(separator: ".")
  }

  /// The path below `/proc/sys`, with the attachment's interface; `nil` where its name is in the path already.
  func path(for interface: InterfaceName?) -> String {
    let path = Array(parts.joined(separator: "/").utf8)
    let start = path.indices.first { path[$0...].starts(with: Self.placeholder) }
    guard let start, let interface else { return String(decoding: path, as: UTF8.self) }
    let rest = path[(start + Self.placeholder.count)...]
    return String(decoding: path[..<start] + interface.description.utf8 + rest, as: UTF8.self)
  }
}
