public import CNI
import NetTypes

/// The holder that a lease file names: a container and its interface.
public struct LeaseHolder: Hashable, Sendable, CustomStringConvertible {
  public var container: String
  /// `nil` in files of the reference plugin's first versions.
  public var interface: String?

  public init(container: String, interface: String?) {
    self.container = container
    self.interface = interface
  }

  public init(_ owner: AttachmentID) {
    container = owner.container.description
    interface = owner.interface.description
  }

  /// Reads a lease file as the reference plugin does: white space around the text is ignored.
  ///
  /// `nil` for an incomplete file (its writer was killed, or the machine crashed): empty, or filled with zeros.
  public init?(fileContent bytes: [UInt8]) {
    guard let content = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else { return nil }
    let text = content.unicodeScalars
    let isNotSpace = { (scalar: Unicode.Scalar) in !scalar.properties.isWhitespace }
    guard let start = text.firstIndex(where: isNotSpace), let end = text.lastIndex(where: isNotSpace) else {
      return nil
    }
    let trimmed = text[start...end]
    // By scalar: "\r\n" is a single Character.
    if let lineEnd = trimmed.firstIndex(of: "\r"), trimmed.index(after: lineEnd) < trimmed.endIndex,
      trimmed[trimmed.index(after: lineEnd)] == "\n"
    {
      container = String(trimmed[..<lineEnd])
      interface = String(trimmed[trimmed.index(lineEnd, offsetBy: 2)...])
    } else {
      container = String(trimmed)
      interface = nil
    }
  }

  /// The content that the reference plugin writes: container, CR LF, interface, no end of line.
  public var fileContent: [UInt8] { Array((interface.map { "\(container)\r\n\($0)" } ?? container).utf8) }

  public var description: String { interface.map { "container \(container) (\($0))" } ?? "container \(container)" }
}
