public import CNI
public import NetTypes
public import PacketFilter
public import PluginKit

/// One interface of a container, with what its host knows of its policies.
public struct PolicyAttachment: Equatable, Sendable {
  public var owner: AttachmentID
  /// The container's name, if the runtime passed one.
  public var name: String?
  public var addresses: [IPAddress]
  /// The host's links on which its packets arrive; empty if they are not known.
  public var links: [InterfaceName]
  /// Empty unless a plugin of its network has the key `policy`.
  public var labels: [Label] = []
  public var policies: [Policy] = []
  /// The network namespace that has its rules, because its packets do not pass the host; `nil`: the host has them.
  public var namespace: String?

  public init(_ owner: AttachmentID, name: String? = nil, addresses: [IPAddress], links: [InterfaceName]) {
    self.owner = owner
    self.name = name
    self.addresses = addresses
    self.links = links
  }

  /// An attachment with a recorded rule set of the role `policies`.
  public init(_ ruleSet: RuleSet) {
    self.init(
      ruleSet.owner, name: ruleSet.containerName, addresses: ruleSet.policyAddresses, links: ruleSet.policyLinks)
    for case .limit(let policy) in ruleSet.rules { policies.append(policy) }
    for case .join(let membership) in ruleSet.rules { labels += membership.labels }
  }

  /// The entries of one direction, of all its policies; `nil`: it is not limited.
  public func permissions(_ direction: Policy.Direction) -> [Policy.Permission]? {
    let lists = policies.compactMap { $0.permissions(direction) }
    return lists.isEmpty ? nil : lists.flatMap(\.self)
  }
}

extension RuleSet {
  private var ends: [(links: [InterfaceName], addresses: [IPAddress])] {
    rules.compactMap { rule in
      switch rule {
      case .limit(let policy): (policy.links, policy.addresses)
      case .join(let membership): (membership.links, membership.addresses)
      case .guardAddresses(let guarded): ([], guarded.addresses)
      default: nil
      }
    }
  }

  fileprivate var policyLinks: [InterfaceName] { ends.flatMap(\.links).withoutRepeats }

  fileprivate var policyAddresses: [IPAddress] { ends.flatMap(\.addresses).withoutRepeats }

  /// The rule set with the entries of that policy; everything else stays.
  ///
  /// `nil` if it has no rule with the container's links and addresses. `ownsLinks`: whether the links are the container's
  /// alone, if no rule of the rule set says it.
  public func limited(by config: PolicyConfig, ownsLinks: Bool) -> RuleSet? {
    guard !policyLinks.isEmpty, !policyAddresses.isEmpty else { return nil }
    var policies: [Policy] = []
    for case .limit(let policy) in rules { policies.append(policy) }
    if policies.isEmpty {
      policies = [Policy(of: policyAddresses, on: policyLinks, ingress: nil, egress: nil)]
      policies[0].ownsLinks = ownsLinks
    }
    for index in policies.indices {
      policies[index].ingress = config.ingress
      policies[index].egress = config.egress
      policies[index].logGroup = config.logGroup
    }
    let limits = config.ingress == nil && config.egress == nil ? [] : policies.map(Rule.limit)
    var changed = self
    changed.rules = limits + rules.filter { if case .limit = $0 { false } else { true } }
    return changed
  }
}

extension Array where Element: Hashable {
  var withoutRepeats: [Element] {
    var seen: Set<Element> = []
    return filter { seen.insert($0).inserted }
  }
}
