public import CNI

/// The plugin named by the key `delegate`, called before this one's own work: for runtimes that know no chains.
public struct InnerPlugin: Equatable, Sendable {
  public var type: PluginType
  /// What it reads: its own object, and of ours what a runtime adds for every plugin.
  var configuration: JSONValue

  /// What is passed on unless the inner object has it itself.
  private static let passedOn = [
    "cniVersion", "name", "args", "runtimeConfig", "prevResult", "cni.dev/valid-attachments", "cni.dev/attachments",
  ]

  /// `nil` where the configuration names none.
  ///
  /// - Parameter json: the whole configuration.
  /// - Throws: code 7 for a `delegate` without a `type`, or with a path as one.
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
