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
    if chain.hasPrefix(labelPrefix) { return IPFamily.allCases.map { members(of: chain, $0) } }
    return chain.hasPrefix(networkPrefix) ? [links(of: chain)] : []
  }

  /// The links on which packets of a label's containers arrive, with the containers' addresses.
  static func members(of chain: String, _ family: IPFamily) -> SetSpec {
    SetSpec(.policies, "\(chain)_\(family.digit)", key: [.interface, Field.Kind(family)])
  }

  /// The links of a network.
  static func links(of chain: String) -> SetSpec { SetSpec(.policies, "\(chain)_links", key: [.interface]) }

  /// All that are present.
  static func all(in socket: borrowing RulesetSocket) throws(KernelError) -> [SetSpec] {
    try socket.chains(.inet).flatMap { sets(of: $0.name) }
  }
}

extension SetSpec {
  /// Whether it is one of `PeerSets`.
  var isOfPeers: Bool { PeerSets.prefixes.contains(where: name.hasPrefix) }
}
