import CNI
public import NetTypes

/// Accepts a network's connections in the host's own chain FORWARD, if that would drop them.
///
/// Each subnet and network has one passage, whatever the number of containers; it is removed with the last of them.
public struct Passage: Equatable, Sendable {
  public enum Kind: String, CaseIterable, Sendable {
    /// All packets that the containers send, and the replies.
    case outbound
    /// Connections to published ports, and the replies.
    case published
  }

  public var subnet: IPPrefix
  public var kind: Kind
  /// The host's link on which the containers' packets arrive; `nil`: any.
  public var link: InterfaceName?
  /// The operator's own chain, which is evaluated first and created if it is missing.
  public var adminChain: String?

  public init(_ subnet: IPPrefix, _ kind: Kind, link: InterfaceName? = nil, adminChain: String? = nil) {
    self.subnet = subnet
    self.kind = kind
    self.link = link
    self.adminChain = adminChain
  }
}

extension Rule {
  public var isPassage: Bool { if case .pass = self { true } else { false } }
}

extension RuleSet {
  /// The operator's chain if the configuration names none.
  public static let defaultAdminChain = "CNI-ADMIN"

  /// The passages that the rule set needs in the host's own chains, for either backend.
  public var passages: [Rule] {
    var passages: [Passage] = []
    for rule in rules {
      if let passage = rule.passage(backend), !passages.contains(passage) { passages.append(passage) }
    }
    return passages.map(Rule.pass)
  }
}

extension Rule {
  fileprivate func passage(_ backend: Backend?) -> Passage? {
    switch self {
    case .masquerade(let rule): Passage(rule.subnet.network, .outbound)
    case .publish(let port): Passage(port.subnet, .published)
    case .float(let floating): Passage(floating.subnet.network, .published)
    // The backend `iptables` itself accepts these ahead of the other rules of FORWARD.
    case .admit where backend == .iptables: nil
    case .admit(let admission):
      Passage(
        admission.network?.subnet.network ?? IPPrefix(host: admission.address), .outbound,
        link: admission.network?.link, adminChain: RuleSet.defaultAdminChain)
    // Its own host admits connections to it.
    case .balance(let backEnd) where backEnd.isFar || backEnd.proxy != nil: nil
    case .balance(let backEnd): Passage(backEnd.subnet.network, .published)
    case .isolate, .link, .guardSource, .guardAddresses, .guardTunnel, .serve, .pass, .trust, .limit, .join: nil
    }
  }
}

extension PublishedPort {
  fileprivate var subnet: IPPrefix {
    guard let subnet = masquerade?.subnet, subnet.contains(target) else { return IPPrefix(host: target) }
    return subnet.network
  }
}
