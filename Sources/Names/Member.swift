public import CNI
public import NetTypes

/// One attachment of a network: its addresses, its names and its hosts file.
public struct Member: Equatable, Sendable {
  public var owner: Owner
  /// Its addresses on the network, of both families.
  public var addresses: [IPAddress]
  /// All its names on the network, in the order of its lines.
  public var names: [HostName]
  /// The container's hosts file; `nil` for an attachment without one.
  public var hosts: KnownFile?
  /// The lines that this attachment wrote only to its own hosts file: its own names, `extraHosts`.
  public var privateLines: [String]
  /// The name server file or directory for its names; `nil` for a network without a name server.
  public var server: ServerPlace?
  /// The aliases that only this container uses for others (`--link`).
  public var links: [LinkAlias]
  /// Lines that could not be removed from its hosts file yet; `nil` if the file is up to date.
  ///
  /// The lines to add are found by comparison when the file can be written again.
  public var overdue: [String]?
  /// Whether its ADD or DEL has begun and is not complete.
  ///
  /// The others' hosts files may or may not have its lines, and it is not among their peers.
  public var isIncomplete = false

  public init(
    owner: Owner, addresses: [IPAddress], names: [HostName], hosts: KnownFile? = nil, privateLines: [String] = [],
    server: ServerPlace? = nil, links: [LinkAlias] = []
  ) {
    self.links = links
    self.owner = owner
    self.addresses = addresses
    self.names = names
    self.hosts = hosts
    self.privateLines = privateLines
    self.server = server
  }
}

extension Member: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    let owner = Owner(
      network: try json.required("network").parsed(), container: try json.required("container").parsed(),
      interface: try json.required("interface").parsed())
    self.init(
      owner: owner, addresses: try json.parsedList("addresses") ?? [], names: try json.parsedList("names") ?? [],
      hosts: try json.object("hosts"), privateLines: try json.texts("privateLines") ?? [],
      server: try json.object("server"), links: try json.objects("links") ?? [])
    overdue = try json.texts("overdue")
    isIncomplete = try json.flag("isIncomplete") ?? false
  }

  /// The state file's content.
  public var json: JSONValue {
    var members: [String: JSONValue] = [
      "network": .string(owner.network.description), "container": .string(owner.container.description),
      "interface": .string(owner.interface.description),
      "addresses": .array(addresses.map { .string($0.description) }),
      "names": .array(names.map { .string($0.description) }),
    ]
    members["hosts"] = hosts?.json
    members["server"] = server?.json
    members["overdue"] = overdue.map { .array($0.map { .string($0) }) }
    if isIncomplete { members["isIncomplete"] = .bool(true) }
    if !links.isEmpty { members["links"] = .array(links.map(\.json)) }
    if !privateLines.isEmpty { members["privateLines"] = .array(privateLines.map { .string($0) }) }
    return .object(members)
  }
}
