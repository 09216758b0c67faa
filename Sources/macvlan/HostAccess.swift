import CNI
import Kernel
import NetTypes

/// The host's own macvlan link, through which the host and a network's containers reach each other.
///
/// The kernel never passes packets between a parent and the macvlan links on top of it. So the host gets one such link
/// too, shared by the network's attachments, with a host route to each container. The link has no IPv4 address and
/// answers ARP only to peers that the host reaches through it (`arp_filter`). The host has a permanent neighbour entry
/// for each container, because its own ARP requests through this link would announce the host's IPv4 address with the
/// link's MAC address in the LAN. In IPv6 both sides send NDP from their link-local addresses, so no entries are
/// needed.
struct HostAccess {
  struct HostState: Equatable {
    var master: LinkInfo
    /// The host's addresses on the parent.
    var addresses: [IPPrefix]
    /// Whether the parent has IPv6: the kernel has the sysctls `net.ipv6.conf.PARENT`.
    var hasIPv6: Bool
    /// Whether the host answers ARP for addresses of its other links (sysctl `arp_ignore`).
    var answersARP: Bool
    /// The host's macvlan link for the network; `nil` if it does not exist yet.
    var link: LinkInfo?
    /// The MAC address of that link, or the one that it will get.
    var mac: MACAddress

    init<K: Kernel & ~Copyable>(
      of network: NetworkName, over master: LinkInfo, at kernel: inout K
    ) throws(KernelError) {
      self.master = master
      addresses = try kernel.addresses(of: master.name, on: .host)
        .filter { $0.family == .v4 || !$0.address.isLinkLocal }
      hasIPv6 = try kernel.sysctl("net/ipv6/conf/\(master.name)/accept_ra", on: .host) != nil
      answersARP = ["0", nil].contains(try kernel.sysctl("net/ipv4/conf/all/arp_ignore", on: .host))
      link = try kernel.link(AttachmentID.hostMacvlan(network), on: .host)
      mac = link?.mac ?? master.mac.map { AttachmentID.hostMacvlanAddress(network, over: $0) } ?? .random()
    }
  }

  var hostState: HostState
  var owner: AttachmentID
  var containerMAC: MACAddress
  /// The container's addresses.
  var addresses: [IPPrefix]

  private var name: InterfaceName { AttachmentID.hostMacvlan(owner.network) }
  /// The families in which both sides have an address.
  private var families: Set<IPFamily> {
    Set(hostState.addresses.map { $0.family }).intersection(addresses.map { $0.family })
  }

  /// Checks that the host can be reached through the parent.
  ///
  /// - Throws: code 7 if no container of the network can reach the host, whatever addresses it gets.
  func checkHost() throws(CNIError) {
    guard !hostState.addresses.isEmpty else {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"hostAccess\": true: \(hostState.master.name) has no address by which to reach the host: want one on it")
    }
    guard let link = hostState.link, link.kind != "macvlan" || link.parentIndex != hostState.master.index else {
      return
    }
    throw CNIError(
      .invalidNetworkConfig,
      "key \"hostAccess\": true: the host's link \(name) is not over \(hostState.master.name): want the network's former "
        + "master, or that link to be removed")
  }

  /// The changes that create the host's link and set it up.
  ///
  /// Equals `ip link add NAME link PARENT type macvlan mode bridge`, then `ip link set NAME up`.
  ///
  /// - Throws: code 7 if host and container have no family in common, or no container could reach the host.
  func shared() throws(CNIError) -> [Change] {
    try checkHost()
    guard !families.isEmpty else {
      let own = Set(hostState.addresses.map { "IPv\($0.family.digit)" }).sorted().joined(separator: " and ")
      throw CNIError(
        .invalidNetworkConfig,
        "key \"hostAccess\": true: the container gets no address of a family that \(hostState.master.name) has: want \(own)"
      )
    }
    let spec = LinkSpec(
      name, kind: .childLink(.macvlan(Macvlan(.bridge)), over: LinkKey(hostState.master.name, on: .host)),
      mac: hostState.mac)
    return [
      .createLink(spec), .setSysctls(sysctls, on: .host),
      .changeLink(name, on: .host, LinkChange(isUp: true, alias: AttachmentID.tagPrefix(owner.network))),
    ]
  }

  private var sysctls: [Sysctl] {
    var settings: [Sysctl] = [
      .conf(.v4, name, "arp_filter", "1"), .conf(.v4, name, "arp_ignore", "0"),
      // Broadcasts also arrive through the parent; the copy on this link must be dropped.
      .conf(.v4, name, "rp_filter", "1"),
    ]
    guard hostState.hasIPv6 else { return settings }
    settings += [
      .conf(.v6, name, "accept_ra", "0", isOptional: true), .conf(.v6, name, "accept_dad", "0", isOptional: true),
      // The containers' routes go through the link-local address that is derived from the MAC address.
      .conf(.v6, name, "addr_gen_mode", "0"),
    ]
    return families.contains(.v6) ? settings + [.conf(.v6, name, "disable_ipv6", "0")] : settings
  }

  /// Adds the routes in both directions; both links must be up.
  func own() -> [Change] {
    let container = addresses.filter { families.contains($0.family) }
    let host = Set(hostState.addresses.map { $0.address }).filter { families.contains($0.family) }.sorted()
    return container.flatMap(toContainer) + host.flatMap(toHost)
  }

  private func toContainer(_ prefix: IPPrefix) -> [Change] {
    let address = prefix.address
    var route = RouteSpec(IPPrefix(host: address), on: name, .host)
    route.priority = owner.numericID
    let own = hostState.addresses.filter { $0.family == prefix.family }.map { $0.address }
    route.source = own.first(where: prefix.contains) ?? own.first
    guard prefix.family == .v4 else { return [.addRoute(route)] }
    return [.setNeighbour(NeighbourSpec(address, mac: containerMAC, on: name, .host)), .addRoute(route)]
  }

  private func toHost(_ address: IPAddress) -> [Change] {
    let host = IPPrefix(host: address), interface = owner.interface
    guard address.family == .v4 else {
      return [.addRoute(RouteSpec(host, via: hostState.mac.linkLocalAddress, on: interface, .container))]
    }
    var changes: [Change] = []
    if !hostState.answersARP {
      changes.append(.setNeighbour(NeighbourSpec(address, mac: hostState.mac, on: interface, .container)))
    }
    if !addresses.contains(where: { $0.contains(address) }) {
      changes.append(.addRoute(RouteSpec(host, on: interface, .container)))
    }
    return changes
  }
}

extension MACAddress {
  /// The IPv6 link-local address that an interface derives from it: RFC 4291, appendix A.
  var linkLocalAddress: IPAddress {
    let high = UInt128(value >> 24 ^ 0x02_0000), low = UInt128(value & 0xFF_FFFF)
    return IPAddress(v6: 0xFE80 << 112 | high << 40 | 0xFFFE << 24 | low)
  }
}

extension HostAccess {
  /// Whether the host has a macvlan link of ours for the network.
  static func linkExists<K: Kernel & ~Copyable>(
    for network: NetworkName, on kernel: inout K
  ) throws(KernelError) -> Bool {
    guard let link = try kernel.link(AttachmentID.hostMacvlan(network), on: .host), link.kind == "macvlan" else {
      return false
    }
    // An ADD that was killed right after creating the link left it without an alias.
    return link.alias == nil || link.alias == AttachmentID.tagPrefix(network)
  }

  /// Removes the routes and neighbour entries of attachments whose number is `stale`.
  ///
  /// Removes the host's link too if no route is left on it.
  static func leftovers<K: Kernel & ~Copyable>(
    in network: NetworkName, on kernel: inout K, _ stale: (Int) -> Bool
  ) throws(KernelError) -> [Change] {
    guard try linkExists(for: network, on: &kernel) else { return [] }
    let name = AttachmentID.hostMacvlan(network)
    let routes = try kernel.routes(of: name, on: .host)
    let gone = routes.filter { $0.owner.map(stale) == true }
    let kept = Set(routes.filter { !gone.contains($0) }.map { $0.dst.address })
    let neighbours = Set(gone.map { $0.dst.address }).subtracting(kept).filter { $0.family == .v4 }.sorted()
      .map { Change.forgetNeighbour($0, on: name) }
    return gone.map { .deleteRoute($0) } + neighbours + [.deleteUnroutedLink(name)]
  }
}

extension RouteSpec {
  /// The number of the attachment to which the route leads; `nil` for a route of another program.
  fileprivate var owner: Int? {
    guard dst.hostBits == 0, gateway == nil, let priority, AttachmentID.numericIDs.contains(priority) else {
      return nil
    }
    return priority
  }
}
