import CNI
public import NetTypes

/// What the host's own chain FORWARD lets pass for a network's containers, where it would drop it.
///
/// One for each subnet and network, however many containers; it goes with the last of them.
public struct Passage: Equatable, Sendable {
  public enum Kind: String, CaseIterable, Sendable {
    /// All that the containers send, and answers to it.
    case outbound
    /// Connections to published ports, and answers to them.
    case published
  }

  public var subnet: IPPrefix
  public var kind: Kind
  /// The link on the host by which the containers send; `nil`: any.
  public var link: InterfaceName?
  /// The operator's own chain, asked before; made where it is missing.
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

extension Claim {
  /// The operator's chain where none is named.
  public static let defaultAdminChain = "CNI-ADMIN"

  /// What the claim's rules need of the host's own chains, whichever backend makes them.
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
    // The backend `iptables` admits past FORWARD itself.
    case .admit where backend == .iptables: nil
    case .admit(let admission):
      Passage(
        admission.network?.subnet.network ?? IPPrefix(host: admission.address), .outbound,
        link: admission.network?.link, adminChain: Claim.defaultAdminChain)
    case .isolate, .link, .guardSource, .guardAddresses, .guardTunnel, .serve, .pass, .trust: nil
    }
  }
}

extension PublishedPort {
  fileprivate var subnet: IPPrefix {
    guard let subnet = masquerade?.subnet, subnet.contains(target) else { return IPPrefix(host: target) }
    return subnet.network
  }
}
