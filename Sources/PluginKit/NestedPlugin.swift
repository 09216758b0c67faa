public import CNI

/// The plugin in the key `delegate`, which runs before this one's own work, for runtimes without plugin chains.
public struct NestedPlugin: Equatable, Sendable {
  public var type: PluginType
  /// Its input: its own object, plus the keys that a runtime adds for every plugin.
  var configuration: JSONValue

  /// The keys that are passed on unless the inner object has them.
  private static let passedOn = [
    "cniVersion", "name", "args", "runtimeConfig", "prevResult", "cni.dev/valid-attachments", "cni.dev/attachments",
  ]

  /// Reads the key `delegate`; `nil` if it is absent.
  ///
  /// - Parameter json: the whole configuration.
  /// - Throws: code 7 for a `delegate` without a `type`, or with a path as its type.
  public init?(in json: JSONReader) throws(CNIError) {
    guard let inner = json["delegate"] else { return nil }
    guard case .object(var members) = inner.value else { throw inner.refusal("an object") }
    type = try inner.required("type").parsed()
    for key in Self.passedOn {
      guard inner[key] == nil, let (spelling, value) = json.value.member(key) else { continue }
      members[spelling] = value
    }
    configuration = .object(members)
  }
}
