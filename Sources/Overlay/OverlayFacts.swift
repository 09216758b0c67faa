public import CNI
public import Kernel
public import NetTypes
import PacketFilter
public import PluginKit

/// What the host looks like to an overlay network.
public struct OverlayFacts: Equatable, Sendable {
  /// `nil` where there is none yet.
  public var bridge: LinkInfo?
  public var vxlan: LinkInfo?
  /// The link that the tunnel's packets are to leave by, where one is named.
  public var dev: LinkInfo?
  public var vrf = OverlayVRFFacts()
  /// Of the bridge.
  public var gatewayAddresses: [IPPrefix] = []
  /// Links that lose routes of router advertisements if the host forwards IPv6.
  public var advertisedLinks: [InterfaceName] = []
  /// Another VXLAN device with this network's identifier and port, where its own is missing.
  public var rival: LinkInfo?
  /// MTU of the underlay, in bytes; `nil`: unknown.
  public var underlayMTU: Int?
  /// The links that lead to other hosts without a router between, where packets may go around the tunnel.
  public var directLinks: [IPAddress: InterfaceName] = [:]
  /// Whether the host knows IPv6; looked for where a device is still to come up.
  public var hasIPv6 = false
  /// Drawn anew for each call; used where nothing else decides.
  public var hostMAC = MACAddress.randomOfPort()
  public var containerMAC = MACAddress.random()
  /// Whether this host can check who sends to the tunnel: it has nf_tables.
  public var guardsTunnel = false
  /// Whether a VXLAN device that we did not make listens at the tunnel's port too.
  public var sharesPort = false
  /// As far as this host can.
  public var guardsAddresses = AddressGuarding.no
  /// Of the container's interface where that is there already: CHECK follows what a later plugin made of it.
  public var macThere: MACAddress?

  public init() {}

  /// Looks at a host.
  ///
  /// Ways to the other hosts are looked up; to some of many, where the device is there and they may not go around it.
  public init<K: Kernel & ~Copyable>(
    _ settings: OverlaySettings, of network: NetworkName, on kernel: inout K
  ) throws(KernelError) {
    let names = settings.names(of: network)
    bridge = try kernel.link(names.bridge, on: .host)
    vxlan = try kernel.link(names.vxlan, on: .host)
    if bridge != nil { gatewayAddresses = try kernel.addresses(of: names.bridge, on: .host) }
    if settings.isGateway, settings.forwards { advertisedLinks = try kernel.linksThatLoseAdvertisedRoutes() }
    if let wanted = settings.vrf { vrf = try OverlayVRFFacts(wanted, on: &kernel) }
    if let name = settings.dev { dev = try kernel.link(name, on: .host) }
    if [bridge, vxlan, settings.vrf?.tunnel == nil ? vxlan : vrf.device].contains(where: { $0?.isUp != true }) {
      hasIPv6 = try kernel.sysctl("net/ipv6/conf/default/disable_ipv6", on: .host) != nil
    }
    try lookAtWays(settings, on: &kernel)
    if underlayMTU == nil { underlayMTU = try kernel.mtuBelow(settings.local, dev: dev) }
    guardsTunnel = try kernel.filter.has(.nftables)
    let others = try kernel.links(kind: "vxlan", master: nil, on: .host).filter {
      $0.vxlan?.port == settings.tunnel.port && $0.name != names.vxlan
    }
    sharesPort = others.contains { $0.group != Isolation.linkGroup }
    if vxlan == nil { rival = others.first { $0.vxlan?.vni == settings.tunnel.vni } }
  }

  private mutating func lookAtWays<K: Kernel & ~Copyable>(
    _ settings: OverlaySettings, on kernel: inout K
  ) throws(KernelError) {
    let isWhole = vxlan == nil || settings.routesDirectly
    for peer in settings.knowledge.peers.prefix(isWhole ? .max : 8) {
      guard let path = try kernel.path(to: peer.vtep) else { continue }
      if path.gateway == nil { directLinks[peer.vtep] = path.link.name }
      underlayMTU = min(underlayMTU ?? .max, path.mtu ?? path.link.mtu)
    }
    if !settings.routesDirectly { directLinks = [:] }
  }
}

extension Kernel where Self: ~Copyable {
  /// Of the link named, of the one that has the address, or of the default route's.
  fileprivate mutating func mtuBelow(_ local: IPAddress, dev: LinkInfo?) throws(KernelError) -> Int? {
    if let dev { return dev.mtu }
    if let link = try uplink(on: .host),
      try addresses(of: link.name, on: .host).contains(where: { $0.address == local })
    {
      return link.mtu
    }
    for link in try allLinks(on: .host) where !link.isLoopback && link.alias?.hasPrefix(Owner.tagPrefix) != true {
      if try addresses(of: link.name, on: .host).contains(where: { $0.address == local }) { return link.mtu }
    }
    return try uplink(on: .host)?.mtu
  }
}
