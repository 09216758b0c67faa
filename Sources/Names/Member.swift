public import CNI
public import NetTypes

/// One attachment as the others of its network see it: where it is, what it is called, which file it reads.
public struct Member: Equatable, Sendable {
  public var owner: Owner
  /// Its addresses on the network, of both families.
  public var addresses: [IPAddress]
  /// All that it is called there, in the order of its lines.
  public var names: [HostName]
  /// The container's hosts file; `nil` for an attachment without.
  public var hosts: KnownFile?
  /// Lines of that file that only this attachment put there: its own, `extraHosts`.
  public var privateLines: [String]
  /// Where a name server finds its names; `nil` for a network without.
  public var server: ServerPlace?
  /// What it alone calls others.
  public var links: [LinkAlias]
  /// Lines to remove from its hosts file, which could not be written; `nil` if the file is up to date.
  ///
  /// The lines to add are found by comparison when the file can be written again.
  public var overdue: [String]?
  /// Whether its ADD or DEL has begun and is not complete.
  ///
  /// The others' hosts files may have its lines or not, and it is none of their peers.
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
