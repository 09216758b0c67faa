public import CNI

/// One interface of one container on one network, with the runtime's arguments.
public struct NetworkAttachment: Equatable, Sendable {
  public var owner: AttachmentID
  /// `CNI_NETNS`; empty if the namespace is gone or unknown.
  public var namespacePath: String
  /// `CNI_ARGS`, in order.
  public var arguments: [Argument]
  /// The runtime's values by capability; a plugin gets those that it declares, as `runtimeConfig`.
  public var capabilityArguments: [String: JSONValue]

  public init(
    owner: AttachmentID, namespacePath: String, arguments: [Argument] = [],
    capabilityArguments: [String: JSONValue] = [:]
  ) {
    self.owner = owner
    self.namespacePath = namespacePath
    self.arguments = arguments
    self.capabilityArguments = capabilityArguments
  }

  /// One `KEY=value` of `CNI_ARGS`.
  public struct Argument: Equatable, Sendable {
    public var key: String
    public var value: String

    public init(_ key: String, _ value: String) {
      self.key = key
      self.value = value
    }

    /// `nil` without a key, and for a text that `CNI_ARGS` cannot carry unchanged.
    public init?(pair: String) {
      guard let equals = pair.firstIndex(of: "="), equals != pair.startIndex, !pair.contains(";") else { return nil }
      key = String(pair[..<equals])
      value = String(pair[pair.index(after: equals)...])
    }
  }

  /// Container, network and interface.
  public var sentence: String { "\(owner.container) \(owner.network) \(owner.interface)" }

  var argumentsText: String { arguments.map { "\($0.key)=\($0.value)" }.joined(separator: ";") }
}
