import CNI
import Kernel
import NetTypes

/// How the host and a container on a macvlan link reach each other.
///
/// A master's own traffic never reaches the links on top of it, so the host gets one of them too, shared by the
/// network's attachments: host routes lead to the containers by it. It has no IPv4 address, answers ARP only for those
/// who are reached by it, and is told their hardware addresses, because its own question would tell the LAN that the
/// host's address is there. In IPv6 nothing is asked in another's name: each side asks with the link-local address.
struct HostAccess {
  struct Facts: Equatable {
    var master: LinkInfo
    /// The host's, on the master.
    var addresses: [IPPrefix]
    /// Whether the master takes part in IPv6.
    var hasIPv6: Bool
    /// Whether the host answers ARP for addresses of other links (`arp_ignore`).
    var answersARP: Bool
    /// The host's link into the network; `nil` where there is none yet.
    var link: LinkInfo?
    /// The link's, or what it will have.
    var mac: MACAddress

    init<K: Kernel & ~Copyable>(
      of network: NetworkName, over master: LinkInfo, at kernel: inout K
    ) throws(KernelError) {
      self.master = master
      addresses = try kernel.addresses(of: master.name, on: .host)
        .filter { $0.family == .v4 || !$0.address.isLinkLocal }
      hasIPv6 = try kernel.sysctl("net/ipv6/conf/\(master.name)/accept_ra", on: .host) != nil
      answersARP = ["0", nil].contains(try kernel.sysctl("net/ipv4/conf/all/arp_ignore", on: .host))
      link = try kernel.link(Owner.hostLink(network), on: .host)
      mac = link?.mac ?? master.mac.map { Owner.hostLinkAddress(network, over: $0) } ?? .random()
    }
  }

  var facts: Facts
  var owner: Owner
  var containerMAC: MACAddress
  /// The container's.
  var addresses: [IPPrefix]

  private var name: InterfaceName { Owner.hostLink(owner.network) }
  /// Those in which both sides have an address.
  private var families: Set<IPFamily> {
    Set(facts.addresses.map(\.family)).intersection(addresses.map(\.family))
  }

  /// - Throws: code 7 where no container of the network can reach the host, whatever addresses it gets.
  func checkHost() throws(CNIError) {
    guard !facts.addresses.isEmpty else {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"hostAccess\": true: \(facts.master.name) has no address to reach the host by: want one on it")
    }
    guard let link = facts.link, link.kind != "macvlan" || link.peer != facts.master.index else { return }
    throw CNIError(
      .invalidNetworkConfig,
      "key \"hostAccess\": true: the host's link \(name) is not over \(facts.master.name): want the network's former "
        + "master, or that link to be removed")
  }

  /// The host's link.
  ///
  /// - Throws: code 7 where host and container have no family in common, or no container could reach the host.
  func shared() throws(CNIError) -> [Change] {
    try checkHost()
    guard !families.isEmpty else {
      let own = Set(facts.addresses.map { "IPv\($0.family.digit)" }).sorted().joined(separator: " and ")
      throw CNIError(
        .invalidNetworkConfig,
        "key \"hostAccess\": true: the container gets no address of a family that \(facts.master.name) has: want \(own)"
      )
    }
    let spec = LinkSpec(
      name, kind: .upper(.macvlan(Macvlan(.bridge)), over: LinkPlace(facts.master.name, on: .host)), mac: facts.mac)
    return [
      .createLink(spec), .setSysctls(sysctls, on: .host),
      .changeLink(name, on: .host, LinkChange(isUp: true, alias: Owner.tagPrefix(owner.network))),
    ]
  }

  private var sysctls: [Sysctl] {
    var settings: [Sysctl] = [
      .conf(.v4, name, "arp_filter", "1"), .conf(.v4, name, "arp_ignore", "0"),
      // What others broadcast arrives by the master as well and must not be taken twice.
      .conf(.v4, name, "rp_filter", "1"),
    ]
    guard facts.hasIPv6 else { return settings }
    settings += [
      .conf(.v6, name, "accept_ra", "0", isOptional: true), .conf(.v6, name, "accept_dad", "0", isOptional: true),
      // The containers' routes name the link-local address that derives from the hardware address.
      .conf(.v6, name, "addr_gen_mode", "0"),
    ]
    return families.contains(.v6) ? settings + [.conf(.v6, name, "disable_ipv6", "0")] : settings
  }

  /// Routes both ways, once both links are up.
  func own() -> [Change] {
    let container = addresses.filter { families.contains($0.family) }
    let host = Set(facts.addresses.map(\.address)).filter { families.contains($0.family) }.sorted()
    return container.flatMap(toContainer) + host.flatMap(toHost)
  }

  private func toContainer(_ prefix: IPPrefix) -> [Change] {
    let address = prefix.address
    var route = RouteSpec(IPPrefix(host: address), on: name, .host)
    route.priority = owner.number
    let own = facts.addresses.filter { $0.family == prefix.family }.map(\.address)
    route.source = own.first(where: prefix.contains) ?? own.first
    guard prefix.family == .v4 else { return [.addRoute(route)] }
    return [.setNeighbour(NeighbourSpec(address, mac: containerMAC, on: name, .host)), .addRoute(route)]
  }

  private func toHost(_ address: IPAddress) -> [Change] {
    let host = IPPrefix(host: address), interface = owner.interface
    guard address.family == .v4 else {
      return [.addRoute(RouteSpec(host, via: facts.mac.linkLocalAddress, on: interface, .container))]
    }
    var changes: [Change] = []
    if !facts.answersARP {
      changes.append(.setNeighbour(NeighbourSpec(address, mac: facts.mac, on: interface, .container)))
    }
    if !addresses.contains(where: { $0.contains(address) }) {
      changes.append(.addRoute(RouteSpec(host, on: interface, .container)))
    }
    return changes
  }
}

extension MACAddress {
  /// The IPv6 link-local address that an interface gets for it: RFC 4291, appendix A.
  var linkLocalAddress: IPAddress {
    let high = UInt128(value >> 24 ^ 0x02_0000), low = UInt128(value & 0xFF_FFFF)
    return IPAddress(v6: 0xFE80 << 112 | high << 40 | 0xFFFE << 24 | low)
  }
}
