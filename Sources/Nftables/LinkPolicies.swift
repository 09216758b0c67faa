import NetTypes
import PacketFilter

/// How packets get to the rules of a policy.
enum PolicyForm: CaseIterable {
  /// By an element for each link, which all of its containers with the same policy share.
  case byLink
  /// By an element for each container: while the link's element leads to another policy.
  case byContainer
}

/// Chains that a link's containers with the same policy share.
///
/// The link's element leads to the chain, which returns for containers that are not in its set. So a further container is an
/// element without a jump: when a jump is added that packets can reach, the kernel follows all jumps of the table again,
/// which takes as long as there are containers.
enum LinkPolicies {
  static let prefix = "limit_"

  /// The maps that lead from a link to these chains.
  static let maps = PolicySide.allCases.map { $0.links }

  /// The links and addresses of the containers.
  static func members(of chain: String, _ family: IPFamily) -> SetSpec {
    SetSpec(.policies, "\(chain)_\(family.digit)", key: [.interface, Field.Kind(family)])
  }

  static func chain(_ side: PolicySide, _ rules: [NftRule], _ policy: Policy) -> SharedChain {
    let name = NftablesPlan.chainName("\(prefix)\(side)_", rules)
    let others = IPFamily.allCases.map { family -> NftRule in
      [.member(side.container(family), members(of: name, family), isNot: true), .returnToCaller]
    }
    return SharedChain(
      name: name, rules: others + rules, sets: IPFamily.allCases.map { members(of: name, $0) },
      entryElements: policy.links.map {
        Element(set: side.links, key: [.interface($0)], value: .jump(name), comment: name)
      })
  }
}

extension Policy {
  /// Whether the links are those of a network, and can lead to the policy.
  var canLeadByLink: Bool {
    !isInContainer && !ownsLinks && !addresses.isEmpty && links.count <= PresentRuleset.maximumEntryJumps
  }
}

extension PolicySide {
  /// The map from links to chains.
  var links: SetSpec { self == .ingress ? Layout.limitedInLinks : Layout.limitedLinks }

  /// The container's link and address in a packet.
  func container(_ family: IPFamily) -> [Selector] {
    self == .ingress
      ? [.link(.outgoing), .address(.destination, family)] : [.link(.incoming), .address(.source, family)]
  }
}

extension NftablesPlan {
  /// The plan by link, or by container if a link leads to another policy.
  static func fitting(_ ruleSet: RuleSet, in socket: borrowing RulesetSocket) throws(KernelError) -> NftablesPlan {
    let plan = try NftablesPlan(ruleSet)
    for entry in plan.chains.flatMap({ $0.entryElements }) where LinkPolicies.maps.contains(entry.set) {
      if let existing = try socket.element(entry.key, of: entry.set), !existing.matches(entry) {
        return try NftablesPlan(ruleSet, .byContainer)
      }
    }
    return plan
  }
}
