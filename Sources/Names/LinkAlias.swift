public import CNI
public import NetTypes

/// A name that only one container uses for another one of its network: `--link=CONTAINER:ALIAS`.
public struct LinkAlias: Equatable, Sendable {
  /// The other container's name or identifier.
  public var container: String
  public var alias: HostName

  public init(_ container: String, alias: HostName) {
    self.container = container
    self.alias = alias
  }

  /// Whether `member` is an attachment of the linked container.
  func refers(to member: Member) -> Bool {
    if member.owner.container.description == container { return true }
    guard let name = HostName(container) else { return false }
    return member.names.first == name
  }
}

extension LinkAlias: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    self.init(try json.required("container").text(), alias: try json.required("alias").parsed())
  }

  var json: JSONValue { .record(["container": .text(container), "alias": .text(alias)]) }
}
