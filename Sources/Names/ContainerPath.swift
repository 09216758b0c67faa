public import CNI

/// The path of one container's file: a base directory, and the components below it.
///
/// The base may contain symbolic links; below it symbolic links and `..` are refused.
public struct ContainerPath: Hashable, Sendable, CustomStringConvertible {
  public let base: String
  /// At least one component; the last is the file.
  public let below: [String]
  /// The configuration's key it comes from, for messages.
  public let key: String

  public init(base: String, below: [String], key: String) {
    self.base = base
    self.below = below
    self.key = key
  }

  public var description: String { (base == "/" ? "" : base) + "/" + below.joined(separator: "/") }
}

extension ContainerPath: JSONReadable {
  /// - Throws: code 7 also for a path that would lead out of the base.
  public init(_ json: JSONReader) throws(CNIError) {
    base = try json.required("base").text()
    below = try json.texts("below") ?? []
    key = try json.required("key").text()
    let isSafe = below.allSatisfy { !["", ".", ".."].contains($0) && !$0.utf8.contains(UInt8(ascii: "/")) }
    guard isSafe, !below.isEmpty, base.utf8.first == UInt8(ascii: "/") else {
      throw json.refusal("a base and file names below it")
    }
  }

  public var json: JSONValue { .record(["base": .text(base), "below": .texts(below), "key": .text(key)]) }
}
