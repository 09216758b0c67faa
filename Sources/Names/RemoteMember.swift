public import CNI
public import EtcdRecords
public import NetTypes

/// An attachment on another host, as the hosts of its network share it through etcd.
public struct RemoteMember: SharedRecord, Hashable {
  public var owner: AttachmentID
  /// The name of its host (`etcd.node`).
  public var node: HostName
  public var addresses: [IPAddress]
  /// All its names, in the order of its lines.
  public var names: [HostName]
  /// As `Member.services`.
  public var services: [NamedAddresses]

  public init(
    owner: AttachmentID, node: HostName, addresses: [IPAddress], names: [HostName], services: [NamedAddresses] = []
  ) {
    self.owner = owner
    self.node = node
    self.addresses = addresses
    self.names = names
    self.services = services
  }

  /// An attachment of this host, in the form for the other hosts.
  public init(_ member: Member, node: HostName) {
    self.init(
      owner: member.owner, node: node, addresses: member.addresses, names: member.names, services: member.services)
  }

  private var member: Member { Member(owner: owner, addresses: addresses, names: names) }

  /// As `Member.lines`.
  public var lines: [String] { member.lines }

  /// As `Member.serverLines`.
  public var serverLines: [String] { member.serverLines }
}

extension RemoteMember {
  /// Reads the etcd value of that attachment.
  ///
  /// - Throws: code 7 for a value of another form.
  public init(of owner: AttachmentID, _ json: JSONReader) throws(CNIError) {
    self.init(
      owner: owner, node: try json.required("node").parsed(), addresses: try json.parsedList("ips") ?? [],
      names: try json.parsedList("names") ?? [], services: try json.objects("services") ?? [])
  }

  public var json: JSONValue {
    .record([
      "node": .text(node), "ips": .texts(addresses), "names": .texts(names),
      "services": .nonEmpty(services.map { $0.json }),
    ])
  }
}
