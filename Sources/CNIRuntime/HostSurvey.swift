public import CNI
public import NetTypes

/// Everything on the host that belongs to one network's attachments, also to those without a cached result.
public struct HostSurvey: Equatable, Sendable {
  public var network: NetworkName
  public var cached: [Cached] = []
  public var links: [Link] = []
  public var leases: [Lease] = []
  public var ruleSets: [RuleSet] = []
  /// The containers that a plugin process was attaching after the other data was read.
  public var attachmentsInProgress: Set<ContainerInterfaceName> = []
  /// The interfaces in each namespace, read last: an ADD that had a lease or link before is in here or in progress.
  public var namespaceInterfaces: [NamespaceInterface] = []

  public init(_ network: NetworkName) { self.network = network }

  public typealias Presence = ContainerNamespace.Presence

  /// An attachment with a cached result.
  public struct Cached: Equatable, Sendable {
    public var owner: AttachmentID
    public var presence: Presence
    /// The links on the host that its result lists.
    public var hostLinks: [String]

    public init(_ owner: AttachmentID, _ presence: Presence, hostLinks: [String] = []) {
      self.owner = owner
      self.presence = presence
      self.hostLinks = hostLinks
    }
  }

  /// A link on the host.
  public struct Link: Equatable, Sendable {
    public var name: InterfaceName
    public var alias: String?
    /// Presence of the namespace of its peer; `nil` if it has no peer, or if the peer is on the host.
    public var peer: Presence?

    public init(_ name: InterfaceName, alias: String? = nil, peer: Presence? = nil) {
      self.name = name
      self.alias = alias
      self.peer = peer
    }
  }

  /// A leased address.
  ///
  /// If the process that wrote the lease file was killed, the file has no holder.
  public struct Lease: Equatable, Sendable {
    public var address: IPAddress
    public var container: String?
    /// `nil` in old leases.
    public var interface: String?
    /// Presence of the namespace that is recorded in the lease.
    public var presence: Presence

    public init(_ address: IPAddress, container: String?, interface: String?, _ presence: Presence = .unknown) {
      self.address = address
      self.container = container
      self.interface = interface
      self.presence = presence
    }
  }

  /// Packet filter rules.
  public struct RuleSet: Equatable, Sendable {
    public var owner: AttachmentID
    /// The plugin role of the rules: `ports`, `firewall`.
    public var role: String
    public var addresses: [IPAddress]

    public init(_ owner: AttachmentID, role: String, addresses: [IPAddress]) {
      self.owner = owner
      self.role = role
      self.addresses = addresses
    }
  }

  /// An interface in a namespace that is live.
  public struct NamespaceInterface: Equatable, Sendable {
    public var name: String
    public var alias: String?
    public var addresses: [IPAddress]

    public init(_ name: String, alias: String? = nil, addresses: [IPAddress] = []) {
      self.name = name
      self.alias = alias
      self.addresses = addresses
    }
  }
}

/// One attachment, and whether its container's namespace exists.
public struct SurveyedAttachment: Equatable, Sendable {
  public var owner: AttachmentID
  public var presence: ContainerNamespace.Presence
  public var isCached = false
  /// What was found of it: `cached result`, `link veth7`, `address 10.1.0.2`.
  public var traces: [String] = []

  /// The text for `gc`, with and without `--dry-run`.
  public var sentence: String {
    "\(owner.container) \(owner.network) \(owner.interface): stale: \(traces.joined(separator: ", "))"
  }
}

extension HostSurvey {
  /// Every attachment to the network, by name.
  ///
  /// An attachment is live if a trace leads to a live namespace. It is gone only if all its traces with a namespace
  /// lead to one that is gone.
  public func attachments() -> [SurveyedAttachment] {
    var evidenceByOwner: [AttachmentID: Evidence] = [:]
    for entry in cached {
      evidenceByOwner[entry.owner, default: Evidence()].add("cached result", entry.presence)
      evidenceByOwner[entry.owner]?.isCached = true
      for link in links where entry.hostLinks.contains(link.name.description) && link.peer == .live {
        evidenceByOwner[entry.owner]?.presences.append(.live)
      }
    }
    for link in links {
      guard let owner = owner(ofAlias: link.alias) else { continue }
      evidenceByOwner[owner, default: Evidence()].add("link \(link.name)", link.peer)
    }
    for lease in leases {
      for owner in owners(of: lease) {
        evidenceByOwner[owner, default: Evidence()].add("address \(lease.address)", presence(of: lease, owner))
      }
    }
    for ruleSet in ruleSets {
      evidenceByOwner[ruleSet.owner, default: Evidence()].add("rules of \(ruleSet.role)", presence(of: ruleSet))
    }
    for interface in namespaceInterfaces {
      // A host end in another host's namespace has another name.
      guard let owner = owner(ofAlias: interface.alias), owner.interface.description == interface.name else { continue }
      evidenceByOwner[owner, default: Evidence()].add("interface \(interface.name)", .live)
    }
    return evidenceByOwner.map { owner, evidence in
      let name = ContainerInterfaceName(container: "\(owner.container)", interface: "\(owner.interface)")
      return SurveyedAttachment(
        owner: owner, presence: attachmentsInProgress.contains(name) ? .live : evidence.presence,
        isCached: evidence.isCached,
        traces: evidence.traces)
    }.sorted { ("\($0.owner.container)", "\($0.owner.interface)") < ("\($1.owner.container)", "\($1.owner.interface)") }
  }

  /// Things that belong to the network but to no attachment, after a plugin was killed or the machine stopped.
  public func leftovers() -> [String] {
    let hostInterfaces = Set(attachments().map { $0.owner.hostInterface })
    let prefix = AttachmentID.hostInterfacePrefix(network)
    let ends = links.filter { link in
      link.alias == nil && link.name.description.hasPrefix(prefix) && !hostInterfaces.contains(link.name)
        && link.name.description.count == prefix.count + 8
    }
    return ends.map { "link \($0.name)" }
      + leases.filter { $0.container == nil }.map { "address \($0.address), whose lease file has no container ID" }
  }

  private struct Evidence {
    var traces: [String] = []
    var presences: [Presence] = []
    var isCached = false

    /// `nil`: says nothing about the namespace.
    mutating func add(_ trace: String, _ presence: Presence?) {
      traces.append(trace)
      if let presence { presences.append(presence) }
    }

    var presence: Presence {
      if presences.contains(.live) { return .live }
      return presences.isEmpty || presences.contains(.unknown) ? .unknown : .gone
    }
  }

  private func owner(ofAlias alias: String?) -> AttachmentID? {
    guard let owner = alias.flatMap(AttachmentID.init(tag:)), owner.network == network else { return nil }
    return owner
  }

  /// An old lease has no interface; it counts for every attachment of the container that other data shows.
  private func owners(of lease: Lease) -> [AttachmentID] {
    guard let container = lease.container.flatMap(ContainerID.init) else { return [] }
    if let interface = lease.interface {
      guard let name = InterfaceName(interface) else { return [] }
      return [AttachmentID(network: network, container: container, interface: name)]
    }
    let attachmentIDs = Set((cached.map(\.owner) + ruleSets.map(\.owner)).filter { $0.container == container })
    guard attachmentIDs.isEmpty else { return Array(attachmentIDs) }
    let names = namespaceInterfaces.filter { $0.addresses.contains(lease.address) }.map(\.name)
    guard let interface = InterfaceName(names.first ?? "eth0") else { return [] }
    return [AttachmentID(network: network, container: container, interface: interface)]
  }

  private func presence(of lease: Lease, _ owner: AttachmentID) -> Presence {
    if lease.presence == .live || holds([lease.address], owner) { return .live }
    return .gone
  }

  private func presence(of ruleSet: RuleSet) -> Presence? {
    guard !ruleSet.addresses.isEmpty else { return nil }
    return holds(ruleSet.addresses, ruleSet.owner) ? .live : .gone
  }

  private func holds(_ addresses: [IPAddress], _ owner: AttachmentID) -> Bool {
    namespaceInterfaces.contains { interface in
      interface.name == owner.interface.description && addresses.contains(where: interface.addresses.contains)
    }
  }
}
