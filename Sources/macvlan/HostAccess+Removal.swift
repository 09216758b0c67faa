import CNI
import Kernel
import NetTypes

extension HostAccess {
  /// Whether the host has a link of ours into the network.
  static func isThere<K: Kernel & ~Copyable>(
    for network: NetworkName, on kernel: inout K
  ) throws(KernelError) -> Bool {
    guard let link = try kernel.link(Owner.hostLink(network), on: .host), link.kind == "macvlan" else { return false }
    // An ADD that was killed at once left it without an alias.
    return link.alias == nil || link.alias == Owner.tagPrefix(network)
  }

  /// What leads to those whose number is `stale`, then the link if nobody is reached by it any more.
  static func leftovers<K: Kernel & ~Copyable>(
    in network: NetworkName, on kernel: inout K, _ stale: (Int) -> Bool
  ) throws(KernelError) -> [Change] {
    guard try isThere(for: network, on: &kernel) else { return [] }
    let name = Owner.hostLink(network)
    let routes = try kernel.routes(of: name, on: .host)
    let gone = routes.filter { $0.owner.map(stale) == true }
    let kept = Set(routes.filter { !gone.contains($0) }.map(\.dst.address))
    // An entry without a hardware address would be one that we answer for; any will do to name this one.
    let neighbours = Set(gone.map(\.dst.address)).subtracting(kept).filter { $0.family == .v4 }.sorted()
      .map { Change.deleteNeighbour(NeighbourSpec($0, mac: MACAddress(value: 0), on: name, .host)) }
    return gone.map { .deleteRoute($0) } + neighbours + [.deleteUnroutedLink(name)]
  }
}

extension RouteSpec {
  /// The number of the attachment that it leads to; `nil` for a route of somebody else's.
  fileprivate var owner: Int? {
    guard dst.hostBits == 0, gateway == nil, let priority, Owner.numbers.contains(priority) else { return nil }
    return priority
  }
}
