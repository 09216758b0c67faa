public import CNI
public import NetTypes

/// What policies look up for one of their peers, besides what belongs to the rules of containers on this host.
public struct PeerContents: Equatable, Sendable {
  /// A network or a label.
  public var peer: Policy.Peer
  /// The links of a network.
  public var links: [InterfaceName]
  /// The prefixes of a network that other hosts have too.
  public var prefixes: [IPPrefix]
  /// The containers on other hosts that have a label.
  public var members: [Member]

  /// A container on another host.
  public struct Member: Hashable, Sendable {
    public var address: IPAddress
    /// The link by which this host reaches it.
    public var link: InterfaceName

    public init(_ address: IPAddress, behind link: InterfaceName) {
      self.address = address
      self.link = link
    }
  }

  public init(
    of peer: Policy.Peer, links: [InterfaceName] = [], prefixes: [IPPrefix] = [], members: [Member] = []
  ) {
    self.peer = peer
    self.links = links
    self.prefixes = prefixes
    self.members = members
  }
}

/// A network's part on other hosts, as this host's policies need it.
public struct FarNetwork: Equatable, Sendable {
  /// The link by which this host reaches its containers on other hosts.
  public var link: InterfaceName
  /// Its prefixes on all hosts.
  public var prefixes: [IPPrefix]
  /// Its containers on other hosts that have labels; `nil`: unknown, so those noted before stay.
  public var members: [FarMember]?

  public init(behind link: InterfaceName, _ prefixes: [IPPrefix], members: [FarMember]?) {
    self.link = link
    self.prefixes = prefixes
    self.members = members
  }
}

/// A container on another host, and its labels.
public struct FarMember: Equatable, Sendable {
  public var address: IPAddress
  public var labels: [Label]

  public init(_ address: IPAddress, _ labels: [Label]) {
    self.address = address
    self.labels = labels
  }
}

extension FarNetwork: JSONReadable {
  public var json: JSONValue {
    .record([
      "link": .text(link), "prefixes": .texts(prefixes), "members": .array((members ?? []).map { $0.json }),
    ])
  }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(
      behind: try json.required("link").parsed(), try json.parsedList("prefixes") ?? [],
      members: try json.objects("members") ?? [])
  }
}

extension FarMember: JSONReadable {
  public var json: JSONValue { .record(["ip": .text(address), "labels": .texts(labels)]) }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(try json.required("ip").parsed(), try json.parsedList("labels") ?? [])
  }
}
