import CNI
import Kernel
import NetTypes

extension HostAccess {
  /// Whether the host has a macvlan link of ours for the network.
  static func isThere<K: Kernel & ~Copyable>(
    for network: NetworkName, on kernel: inout K
  ) throws(KernelError) -> Bool {
    guard let link = try kernel.link(Owner.hostLink(network), on: .host), link.kind == "macvlan" else { return false }
    // An ADD that was killed right after creating the link left it without an alias.
    return link.alias == nil || link.alias == Owner.tagPrefix(network)
  }

  /// Removes the routes and neighbour entries of attachments whose number is `stale`.
  ///
  /// Removes the host's link too if no route is left on it.
  static func leftovers<K: Kernel & ~Copyable>(
    in network: NetworkName, on kernel: inout K, _ stale: (Int) -> Bool
  ) throws(KernelError) -> [Change] {
    guard try isThere(for: network, on: &kernel) else { return [] }
    let name = Owner.hostLink(network)
    let routes = try kernel.routes(of: name, on: .host)
    let gone = routes.filter { $0.owner.map(stale) == true }
    let kept = Set(routes.filter { !gone.contains($0) }.map(\.dst.address))
    // Without a MAC address this would be a proxy entry; any MAC address identifies the neighbour entry to delete.
    let neighbours = Set(gone.map(\.dst.address)).subtracting(kept).filter { $0.family == .v4 }.sorted()
      .map { Change.deleteNeighbour(NeighbourSpec($0, mac: MACAddress(value: 0), on: name, .host)) }
    return gone.map { .deleteRoute($0) } + neighbours + [.deleteUnroutedLink(name)]
  }
}

extension RouteSpec {
  /// The number of the attachment to which the route leads; `nil` for a route of another program.
  fileprivate var owner: Int? {
    guard dst.hostBits == 0, gateway == nil, let priority, Owner.numbers.contains(priority) else { return nil }
    return priority
  }
}
