public import NetTypes

/// A kind of connection that the host forwards for a container.
public struct ForwardedConnection: Hashable, Sendable {
  public var kind: Passage.Kind
  public var family: IPFamily
  /// The container's address; `nil`: any address.
  public var address: IPAddress?
  /// The host's link to the container; `nil`: any link except lo.
  public var link: InterfaceName?

  public init(_ kind: Passage.Kind, _ family: IPFamily, address: IPAddress? = nil, link: InterfaceName? = nil) {
    self.kind = kind
    self.family = family
    self.address = address
    self.link = link
  }
}

extension ForwardedConnection {
  fileprivate var withoutLink: ForwardedConnection { ForwardedConnection(kind, family, address: address) }
}

extension ForwardedConnection: CustomStringConvertible {
  /// For messages: `connections from 10.1.0.2`, `published ports of fd00::2`.
  public var description: String {
    let container = address?.description ?? "containers"
    return kind == .outbound ? "connections from \(container)" : "published ports of \(container)"
  }
}

extension RuleSet {
  /// The connections that the host must forward for the rule set's rules, without duplicates.
  public var forwardedConnections: [ForwardedConnection] {
    var seen: Set<ForwardedConnection> = [], withLink: Set<ForwardedConnection> = []
    let all = rules.compactMap { $0.forwardedConnection }.filter { seen.insert($0).inserted }
    for one in all where one.link != nil { withLink.insert(one.withoutLink) }
    // A masquerade rule does not name the link; the admission rule of the same address does.
    return all.filter { $0.link != nil || !withLink.contains($0) }
  }
}

extension Rule {
  fileprivate var forwardedConnection: ForwardedConnection? {
    switch self {
    case .masquerade(let rule): ForwardedConnection(.outbound, rule.address.family, address: rule.address)
    // Only the host itself reaches a port that is published at a loopback address: nothing is forwarded.
    case .publish(let port) where port.hostIP?.isLoopback != true:
      ForwardedConnection(.published, port.family, address: port.target, link: port.masquerade?.link)
    case .float(let floating):
      ForwardedConnection(.published, floating.target.family, address: floating.target, link: floating.link)
    case .admit(let admission):
      ForwardedConnection(
        .outbound, admission.address.family, address: admission.address, link: admission.network?.link)
    case .trust(let source): ForwardedConnection(.outbound, source.address.family, address: source.address)
    case .balance(let backEnd) where !backEnd.isFar && backEnd.proxy == nil:
      ForwardedConnection(.published, backEnd.family, address: backEnd.target)
    case .publish, .isolate, .link, .guardSource, .guardAddresses, .guardTunnel, .serve, .pass, .limit, .join, .balance:
      nil
    }
  }
}
