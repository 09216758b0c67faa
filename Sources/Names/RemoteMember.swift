public import CNI
public import NetTypes

/// An attachment on another host, as the hosts of its network tell each other of it.
public struct RemoteMember: Hashable, Sendable {
  public var owner: Owner
  /// What its host is called among them.
  public var node: HostName
  public var addresses: [IPAddress]
  /// All that it is called, in the order of its lines.
  public var names: [HostName]

  public init(owner: Owner, node: HostName, addresses: [IPAddress], names: [HostName]) {
    self.owner = owner
    self.node = node
    self.addresses = addresses
    self.names = names
  }

  /// What the others are told of an attachment here.
  public init(_ member: Member, node: HostName) {
    self.init(owner: member.owner, node: node, addresses: member.addresses, names: member.names)
  }

  private var member: Member { Member(owner: owner, addresses: addresses, names: names) }

  /// As `Member.lines`.
  public var lines: [String] { member.lines }

  /// As `Member.serverLines`.
  public var serverLines: [String] { member.serverLines }
}

extension RemoteMember {
  /// What is told of that attachment.
  ///
  /// - Throws: code 7 for what is no such telling.
  public init(of owner: Owner, _ json: JSONReader) throws(CNIError) {
    self.init(
      owner: owner, node: try json.required("node").parsed(), addresses: try json.parsedList("ips") ?? [],
      names: try json.parsedList("names") ?? [])
  }

  public var json: JSONValue {
    .object([
      "node": .string(node.description), "ips": .array(addresses.map { .string($0.description) }),
      "names": .array(names.map { .string($0.description) }),
    ])
  }
}

extension Owner {
  /// `CONTAINER:INTERFACE`; a `:` may stand in neither.
  public var attachment: String { "\(container):\(interface)" }

  /// `nil` for a text that is no such pair.
  public init?(attachment: some StringProtocol, on network: NetworkName) {
    guard let colon = attachment.firstIndex(of: ":"), let container = ContainerID(String(attachment[..<colon])),
      let interface = InterfaceName(String(attachment[attachment.index(after: colon)...]))
    else { return nil }
    self.init(network: network, container: container, interface: interface)
  }
}
