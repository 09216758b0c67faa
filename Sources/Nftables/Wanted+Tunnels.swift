import CNI
import Kernel
import NetTypes
import PacketFilter

extension Wanted {
  // A range instead of a list: the kernel takes far longer if thousands of rules each have an anonymous set.
  private static let fromUs = "iifgroup \(Isolation.linkGroup)-\(Isolation.pairGroup)"

  /// Adds a chain for the port and one for each peer, shared by networks; an element of each network keeps them.
  mutating func guardTunnel(_ tunnel: TunnelGuard, _ owner: ElementOwner) {
    let port = Field.port(tunnel.port)
    let name = "\(Layout.tunnelPrefix)\(tunnel.port)"
    share(SharedChain(name: name, rules: Self.arriving, keepers: [keeper(Layout.tunnels, [port], name)]), owner)
    guard let peers = tunnel.peers else {
      let open = "\(Layout.tunnelPrefix)open_\(tunnel.port)"
      let keepers = [keeper(Layout.openTunnels, [port], open)]
      return share(SharedChain(name: open, rules: ["accept"], keepers: keepers), owner)
    }
    for peer in Set(peers).sorted() {
      let chain = Layout.tunnelPrefix + Owner.shortHash("\(peer) \(tunnel.port)")
      let keepers = [keeper(FamilySets(peer.family).tunnelPeers, [.address(peer), port], chain)]
      share(SharedChain(name: chain, rules: ["\(Self.fromUs) drop", "accept"], keepers: keepers), owner)
    }
  }

  /// Rules for packets that arrive at a VXLAN device's port.
  ///
  /// If one network has no list of peers, the port is open to all hosts.
  private static var arriving: [String] {
    ["\(fromUs) drop", "iifname \"lo\" return", "udp dport vmap @\(Layout.openTunnels.name)"]
      + IPFamily.allCases.map(FamilySets.init(_:)).map {
        "\($0.word) saddr . udp dport vmap @\($0.tunnelPeers.name)"
      } + ["drop"]
  }

  /// Rules that drop what containers send to other hosts' VXLAN ports.
  static var forwardingToTunnels: [String] {
    IPFamily.allCases.map(FamilySets.init(_:)).map {
      "\(fromUs) \($0.word) daddr . udp dport vmap @\($0.tunnelPeers.name)"
    }
  }

  private func keeper(_ set: SetSpec, _ key: [Field], _ chain: String) -> Element {
    Element(set: set, key: key, value: .jump(chain), comment: chain)
  }

  private mutating func share(_ chain: SharedChain, _ owner: ElementOwner) {
    chains.append(chain)
    add(
      Layout.tunnelOwners, [.hash(Owner.shortHash("\(owner.comment) \(chain.name)"))], .jump(chain.name), owner)
  }

  /// Whether reading whole sets takes fewer messages than looking up each element.
  var isDumped: Bool { elements.count > 4 && elements.allSatisfy { $0.set == Layout.tunnelOwners } }

  /// Whether all elements are there, and the port's own chain; each set is dumped once.
  ///
  /// A peer's chain exists as long as an element leads to it: the kernel refuses to delete it (EBUSY).
  func isWholeInDumps(_ socket: borrowing RulesetSocket) throws(KernelError) -> Bool {
    guard let port = chains.first, try Found.isWhole(port, in: socket) else { return false }
    var dumps: [String: [[UInt8]: FoundElement]] = [:]
    for element in elements + chains.flatMap(\.keepers) {
      if dumps[element.set.place] == nil {
        let all = try socket.elements(of: element.set)
        dumps[element.set.place] = Dictionary(all.map { ($0.key, $0) }) { first, _ in first }
      }
      guard let present = dumps[element.set.place]?[element.key.bytes], present.matches(element),
        present.comment == element.comment
      else { return false }
    }
    return true
  }
}
