import CNI
import NetTypes
import PacketFilter

/// The sets of a label's containers, or of a network's links, which exist as long as a policy or a container names them.
///
/// An empty chain of the same name counts who names it: elements of `Layout.peerUsers` lead to it.
enum PeerSets {
  private static let labelPrefix = "label_"
  private static let networkPrefix = "network_"
  static let prefixes = [labelPrefix, networkPrefix]

  static func chain(of label: Label) -> SharedChain { chain(labelPrefix, label.description) }
  static func chain(of network: NetworkName) -> SharedChain { chain(networkPrefix, network.description) }

  private static func chain(_ prefix: String, _ text: String) -> SharedChain {
    let name = prefix + AttachmentID.shortHash(text)
    return SharedChain(name: name, rules: [], sets: sets(of: name))
  }

  /// The sets that exist together with that chain; none for a chain of another kind.
  static func sets(of chain: String) -> [SetSpec] {
    if chain.hasPrefix(LinkPolicies.prefix) {
      return IPFamily.allCases.map { LinkPolicies.members(of: chain, $0) }
    }
    if chain.hasPrefix(labelPrefix) {
      return IPFamily.allCases.flatMap { [members(of: chain, $0), farMembers(of: chain, $0)] }
    }
    guard chain.hasPrefix(networkPrefix) else { return ServiceChains.sets(of: chain) }
    return [links(of: chain)] + IPFamily.allCases.map { prefixes(of: chain, $0) }
  }

  /// The links on which packets of a label's containers arrive, with the containers' addresses.
  static func members(of chain: String, _ family: IPFamily) -> SetSpec {
    SetSpec(.policies, "\(chain)_\(family.digit)", key: [.interface, Field.Kind(family)])
  }

  /// The addresses of a label's containers on other hosts, whose packets arrive by any tunnel.
  static func farMembers(of chain: String, _ family: IPFamily) -> SetSpec {
    SetSpec(.policies, "\(chain)_far\(family.digit)", key: [family == .v4 ? .v4 : .v6])
  }

  /// The prefixes of a network on other hosts.
  static func prefixes(of chain: String, _ family: IPFamily) -> SetSpec {
    var set = SetSpec(.policies, "\(chain)_far\(family.digit)", key: [family == .v4 ? .v4 : .v6])
    set.isInterval = true
    return set
  }

  /// The links of a network.
  static func links(of chain: String) -> SetSpec { SetSpec(.policies, "\(chain)_links", key: [.interface]) }

  /// All that are present.
  static func all(in socket: borrowing RulesetSocket) throws(KernelError) -> [SetSpec] {
    try socket.chains(.inet).flatMap { sets(of: $0.name) }
  }
}

extension PeerContents {
  /// The chain that exists as long as a policy or a container names the peer; `nil` for a prefix.
  var chain: SharedChain? {
    switch peer {
    case .network(let network): PeerSets.chain(of: network)
    case .label(let label): PeerSets.chain(of: label)
    case .anyone, .prefix: nil
    }
  }

  /// The elements, with the chain's name as comment: no container's rules have that.
  func elements(_ chain: String) -> [Element] {
    let element = { Element(set: $0, key: [$1], value: .none, comment: chain) }
    return links.map { element(PeerSets.links(of: chain), .interface($0)) }
      + prefixes.withoutContained.map { element(PeerSets.prefixes(of: chain, $0.family), .prefix($0)) }
      + members.flatMap { member -> [Element] in
        let family = member.address.family
        return [
          Element(
            set: PeerSets.members(of: chain, family), key: [.interface(member.link), .address(member.address)],
            value: .none, comment: chain),
          element(PeerSets.farMembers(of: chain, family), .address(member.address)),
        ]
      }
  }
}

extension [IPPrefix] {
  /// Without those that another one contains: the intervals of a set must not overlap.
  fileprivate var withoutContained: [IPPrefix] {
    Set(map { $0.network }).filter { prefix in
      !contains { $0.network != prefix && $0.contains(prefix.first) && $0.contains(prefix.last) }
    }
  }
}

extension SetSpec {
  /// Whether it exists as long as a chain, and goes with its elements.
  var isOfChain: Bool {
    (PeerSets.prefixes + [LinkPolicies.prefix, ServiceChains.prefix]).contains(where: name.hasPrefix)
  }
}
