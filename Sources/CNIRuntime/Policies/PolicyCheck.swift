public import CNI
public import NetTypes
public import PacketFilter

/// One end of a connection.
public struct ConnectionEnd: Equatable, Sendable {
  public var address: IPAddress
  /// The host's links by which its packets arrive; empty if none of a container does.
  public var links: [InterfaceName] = []
  /// `nil` for an address that no container on this host has.
  public var attachment: PolicyAttachment?
  /// Whether it is an address of the host itself, whose packets are not forwarded.
  public var isHost = false

  public init(_ address: IPAddress, links: [InterfaceName] = [], isHost: Bool = false) {
    self.address = address
    self.links = links
    self.isHost = isHost
  }

  public init(_ address: IPAddress, of attachment: PolicyAttachment) {
    self.address = address
    self.links = attachment.links
    self.attachment = attachment
  }

  /// `web (network front, eth0, 10.1.0.2)`; the address if it is no container's.
  public var text: String {
    guard let owner = attachment?.owner else { return "\(address)" }
    return "\(owner.container) (network \(owner.network), \(owner.interface), \(address))"
  }
}

/// What policies on this host say of new connections, by the recorded rule sets.
public struct PolicyCheck: Equatable, Sendable {
  public var attachments: [PolicyAttachment]
  /// The links of networks that policies name.
  public var links: [NetworkName: [InterfaceName]]
  /// The containers on other hosts that have labels that policies name.
  public var farMembers: [Label: [PeerContents.Member]] = [:]

  public init(_ attachments: [PolicyAttachment], links: [NetworkName: [InterfaceName]]) {
    self.attachments = attachments
    self.links = links
  }

  /// The answer for one direction.
  public struct Decision: Equatable, Sendable {
    public var isAllowed: Bool
    /// The entry that allows it, or why nothing denies it or allows it.
    public var reason: String
  }

  /// Whether the egress of `from` and the ingress of `to` allow the connection; both must.
  public struct Answer: Equatable, Sendable {
    public var from: ConnectionEnd
    public var to: ConnectionEnd
    public var transport: TransportProtocol
    public var egress: Decision
    public var ingress: Decision

    public var isAllowed: Bool { egress.isAllowed && ingress.isAllowed }
  }

  public func answer(
    from: ConnectionEnd, to: ConnectionEnd, _ port: UInt16, _ transport: TransportProtocol
  ) -> Answer {
    Answer(
      from: from, to: to, transport: transport, egress: decision(.egress, of: from, with: to, port, transport),
      ingress: decision(.ingress, of: to, with: from, port, transport))
  }

  private func decision(
    _ direction: Policy.Direction, of end: ConnectionEnd, with peer: ConnectionEnd, _ port: UInt16,
    _ transport: TransportProtocol
  ) -> Decision {
    // Rules in the container limit its connections to the host and within its network too.
    let isOnHost = end.attachment?.namespace == nil
    if end.isHost || peer.isHost && isOnHost {
      return Decision(isAllowed: true, reason: "not limited: the host itself")
    }
    guard let attachment = end.attachment else {
      return Decision(isAllowed: true, reason: "not limited: no container on this host")
    }
    let isOwn = isOnHost && (end.links.contains(where: peer.links.contains) || attachment.hasElsewhere(peer))
    if isOwn, attachment.ownNetwork == nil {
      return Decision(isAllowed: true, reason: "not limited: the same network")
    }
    guard let permissions = attachment.permissions(direction) else {
      return Decision(isAllowed: true, reason: "not limited: no policy")
    }
    let allowing = permissions.first { permission in
      (isOwn ? matchesOwn(permission.peer, peer, of: attachment) : matches(permission.peer, peer))
        && permission.ports.allow(port, transport)
    }
    guard let allowing else { return Decision(isAllowed: false, reason: "no entry allows it") }
    return Decision(isAllowed: true, reason: allowing.text(direction))
  }

  /// Between containers that a bridge keeps apart, only their network and labels count.
  private func matchesOwn(_ wanted: Policy.Peer, _ end: ConnectionEnd, of attachment: PolicyAttachment) -> Bool {
    switch wanted {
    case .network(let network): network == attachment.ownNetwork
    case .label: matches(wanted, end)
    case .anyone, .prefix: false
    }
  }

  private func matches(_ wanted: Policy.Peer, _ end: ConnectionEnd) -> Bool {
    switch wanted {
    case .anyone: true
    case .network(let network): end.links.contains { links[network]?.contains($0) ?? false }
    case .label(let label):
      members(of: label).contains { $0.has(end) }
        || farMembers[label]?.contains { $0.address == end.address && end.links.contains($0.link) } ?? false
    case .prefix(let prefix): prefix.contains(end.address)
    }
  }

  /// The containers on this host with that label.
  public func members(of label: Label) -> [PolicyAttachment] { attachments.filter { $0.labels.contains(label) } }
}

extension PolicyAttachment {
  /// Whether the end's packets are those of this attachment: same link, same address.
  fileprivate func has(_ end: ConnectionEnd) -> Bool {
    addresses.contains(end.address) && links.contains(where: end.links.contains)
  }
}

extension PolicyAttachment {
  /// Its network, if that keeps its containers apart and a policy opens connections between them.
  fileprivate var ownNetwork: NetworkName? { policies.lazy.compactMap { $0.ownNetwork }.first }

  /// Whether the end is in this attachment's network on another host.
  fileprivate func hasElsewhere(_ end: ConnectionEnd) -> Bool {
    policies.contains { policy in
      policy.tunnel.map(end.links.contains) ?? false && policy.network.contains { $0.contains(end.address) }
    }
  }
}

extension [PortSpan] {
  fileprivate func allow(_ port: UInt16, _ transport: TransportProtocol) -> Bool {
    isEmpty || contains { $0.ports.contains(port) && ($0.transport ?? transport) == transport }
  }
}

extension PolicyCheck {
  /// Who a peer stands for now on this host, for a person to read; `nil` if the entry says it itself.
  public func members(of peer: Policy.Peer) -> [String]? {
    switch peer {
    case .anyone, .prefix: nil
    case .network(let network): links[network].map { $0.map { "link \($0)" } } ?? []
    case .label(let label):
      members(of: label).map { member in
        "\(member.owner.container) (network \(member.owner.network), \(member.owner.interface), "
          + member.addresses.map(\.description).joined(separator: ", ")
          + ") on link \(member.links.map(\.description).joined(separator: ", "))"
      } + (farMembers[label] ?? []).map { "\($0.address) on another host, behind \($0.link)" }
    }
  }
}

extension ConnectionEnd {
  /// The ends between which a connection can be, each pair once.
  ///
  /// Containers with a common network use that one.
  public static func pairs(_ from: [ConnectionEnd], _ to: [ConnectionEnd]) -> [(ConnectionEnd, ConnectionEnd)] {
    var pairs: [(ConnectionEnd, ConnectionEnd)] = []
    for from in from {
      for to in to where from.address.family == to.address.family && !from.isSamePlace(as: to) {
        pairs.append((from, to))
      }
    }
    let direct = Set(pairs.filter { $0.sharesLink(with: $1) }.map { ContainerPair($0, $1) })
    return pairs.filter { $0.sharesLink(with: $1) || !direct.contains(ContainerPair($0, $1)) }
  }

  private func isSamePlace(as other: ConnectionEnd) -> Bool {
    guard let container = attachment?.owner.container else { return address == other.address }
    return container == other.attachment?.owner.container
  }

  private func sharesLink(with other: ConnectionEnd) -> Bool { links.contains(where: other.links.contains) }

  private struct ContainerPair: Hashable {
    var from: ContainerID?
    var to: ContainerID?
    var family: IPFamily

    init(_ from: ConnectionEnd, _ to: ConnectionEnd) {
      self.from = from.attachment?.owner.container
      self.to = to.attachment?.owner.container
      family = from.address.family
    }
  }
}

extension PolicyCheck {
  /// The first denial; the first answer if all allow the connection.
  public func strictest(
    _ pairs: [(ConnectionEnd, ConnectionEnd)], _ port: UInt16, _ transport: TransportProtocol
  ) -> Answer? {
    var first: Answer?
    for (from, to) in pairs {
      let answer = answer(from: from, to: to, port, transport)
      guard answer.isAllowed else { return answer }
      first = first ?? answer
    }
    return first
  }
}
