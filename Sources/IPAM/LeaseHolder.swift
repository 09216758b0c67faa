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
    let isInk = { (scalar: Unicode.Scalar) in !scalar.properties.isWhitespace }
    guard let start = text.firstIndex(where: isInk), let end = text.lastIndex(where: isInk) else { return nil }
    let ink = text[start...end]
    // By scalar: "\r\n" is a single Character.
    if let lineEnd = ink.firstIndex(of: "\r"), ink.index(after: lineEnd) < ink.endIndex,
      ink[ink.index(after: lineEnd)] == "\n"
    {
      container = String(ink[..<lineEnd])
      interface = String(ink[ink.index(lineEnd, offsetBy: 2)...])
    } else {
      container = String(ink)
      interface = nil
    }
  }

  /// The content that the reference plugin writes: container, CR LF, interface, no end of line.
  public var fileContent: [UInt8] { Array((interface.map { "\(container)\r\n\($0)" } ?? container).utf8) }

  public var description: String { interface.map { "container \(container) (\($0))" } ?? "container \(container)" }
}
