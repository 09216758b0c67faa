public import CNI

/// The path of a file for each container: an absolute path with placeholders.
///
/// The components before the first placeholder are the base; no container ID or network name can lead out of it.
public struct PathTemplate: Equatable, Sendable {
  public enum Placeholder: String, CaseIterable, Sendable { case containerID, network, netnsName }

  private enum Piece: Equatable, Sendable {
    case text(String)
    case placeholder(Placeholder)
  }

  private let key: String
  private let base: String
  private let below: [[Piece]]

  /// - Parameters:
  ///   - text: the path.
  ///   - key: its configuration key, for messages.
  /// - Throws: code 7 for a path that is not absolute, has empty, `.` or `..` components or unknown placeholders, or
  ///   has neither `{containerID}` nor `{netnsName}`.
  public init(_ text: String, key: String) throws(CNIError) {
    func refusal(_ wanted: String) -> CNIError {
      CNIError(.invalidNetworkConfig, "key \"\(key)\": \(JSONValue.string(text).text): want \(wanted)")
    }
    guard text.utf8.first == UInt8(ascii: "/"), text.utf8.count <= 4000 else {
      throw refusal("an absolute path of at most 4000 bytes")
    }
    guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { throw refusal("a path without control characters") }
    var components: [[Piece]] = []
    for component in text.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
      guard let component = String(component), !["", ".", ".."].contains(component) else {
        throw refusal("a path without empty, '.' or '..' components")
      }
      guard let pieces = Self.pieces(of: component) else {
        throw refusal("a path whose braces hold \(Placeholder.allCases.map { $0.rawValue }.joined(separator: ", "))")
      }
      components.append(pieces)
    }
    let isFixed = { (pieces: [Piece]) in pieces.allSatisfy { if case .text = $0 { true } else { false } } }
    let fixed = components.prefix(while: isFixed)
    below = Array(components.dropFirst(fixed.count))
    // Without one of these, the containers of a network would overwrite each other's file.
    let identifiesContainer = below.joined().contains {
      $0 == .placeholder(.containerID) || $0 == .placeholder(.netnsName)
    }
    guard identifiesContainer else { throw refusal("a path with {containerID} or {netnsName}") }
    base = "/" + fixed.joined().map { if case .text(let text) = $0 { text } else { "" } }.joined(separator: "/")
    self.key = key
  }

  /// Splits a component at its placeholders; `nil` for an unpaired brace or an unknown placeholder.
  private static func pieces(of component: String) -> [Piece]? {
    var pieces: [Piece] = []
    var rest = component[...]
    while let open = rest.firstIndex(where: { $0 == "{" || $0 == "}" }) {
      guard rest[open] == "{", let close = rest[open...].firstIndex(of: "}") else { return nil }
      guard let placeholder = Placeholder(rawValue: String(rest[rest.index(after: open)..<close])) else { return nil }
      if open > rest.startIndex { pieces.append(.text(String(rest[..<open]))) }
      pieces.append(.placeholder(placeholder))
      rest = rest[rest.index(after: close)...]
    }
    if !rest.isEmpty { pieces.append(.text(String(rest))) }
    return pieces
  }

  /// The path for one attachment; a hash replaces a container ID that makes a component longer than 255 bytes.
  ///
  /// - Parameters:
  ///   - owner: the attachment.
  ///   - namespacePath: `CNI_NETNS`.
  /// - Returns: the file's path, split into base and components.
  /// - Throws: code 7 if a value is missing or would lead to another directory.
  public func path(for owner: AttachmentID, namespacePath: String) throws(CNIError) -> ContainerPath {
    var components: [String] = []
    let id = owner.container.description
    for pieces in below {
      var component = try component(pieces, id, owner.network, namespacePath)
      // CNI does not limit the length of a container ID, but file systems limit a file name.
      if component.utf8.count > Self.longestName {
        component = try self.component(pieces, AttachmentID.shortHash(id), owner.network, namespacePath)
      }
      guard !["", ".", ".."].contains(component), component.utf8.count <= Self.longestName else {
        throw CNIError(
          .invalidNetworkConfig, "key \"\(key)\": component \"\(component)\": want a file name of 1 to 255 bytes")
      }
      components.append(component)
    }
    return ContainerPath(base: base, below: components, key: key)
  }

  /// The longest name of a file, in bytes.
  private static let longestName = 255

  private func component(
    _ pieces: [Piece], _ container: String, _ network: NetworkName, _ namespacePath: String
  ) throws(CNIError) -> String {
    var component = ""
    for piece in pieces {
      switch piece {
      case .text(let text): component += text
      case .placeholder(.containerID): component += container
      case .placeholder(.network): component += network.description
      case .placeholder(.netnsName): component += try namespaceName(namespacePath)
      }
    }
    return component
  }

  /// The last component of a path: `/run/netns/blue` is `blue`.
  private func namespaceName(_ path: String) throws(CNIError) -> String {
    let components = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { String($0) }
    // `/proc/PID/ns/net` has the same last component for every container.
    guard let name = components.last ?? nil, !["", ".", ".."].contains(name), components.dropFirst().first != "proc",
      name.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "{") && $0 != UInt8(ascii: "}") })
    else {
      throw CNIError(
        .invalidNetworkConfig, "key \"\(key)\": {netnsName}: CNI_NETNS is \"\(path)\": want a namespace with a name")
    }
    return name
  }
}
