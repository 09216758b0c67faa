public import CNI
public import Kernel
public import NetTypes
import PacketFilter
public import PluginKit

/// The state of the host that an overlay network depends on.
public struct OverlayHostState: Equatable, Sendable {
  /// `nil` if it does not exist yet.
  public var bridge: LinkInfo?
  public var vxlan: LinkInfo?
  /// The link for the tunnel's packets, if the configuration names one.
  public var dev: LinkInfo?
  public var vrf = OverlayVRFState()
  /// The bridge's addresses.
  public var gatewayAddresses: [IPPrefix] = []
  /// Links that lose routes of router advertisements if the host forwards IPv6.
  public var advertisedLinks: [InterfaceName] = []
  /// Another VXLAN device with this network's VNI and port, if the network's own device does not exist.
  public var conflictingDevice: LinkInfo?
  /// MTU of the underlay, in bytes; `nil`: unknown.
  public var underlayMTU: Int?
  /// By peer, the link that reaches it without a router; empty unless `directRouting` is on.
  public var directLinks: [IPAddress: InterfaceName] = [:]
  /// Whether the kernel has IPv6; looked up only if a device is not up yet.
  public var hasIPv6 = false
  /// Random, new for each call; used if nothing else sets the MAC address.
  public var hostMAC = MACAddress.randomOfPort()
  public var containerMAC = MACAddress.random()
  /// Whether the host has nf_tables, to drop tunnel packets by their source.
  public var guardsTunnel = false
  /// Whether another program's VXLAN device uses the tunnel's port too.
  public var sharesPort = false
  /// Whether the container's source addresses are checked, as far as this host can.
  public var addressCheck = SourceAddressCheck.no
  /// The MAC address of the container's interface, if that exists: CHECK accepts what a later plugin changed.
  public var changedMAC: MACAddress?

  public init() {}

  /// Reads the state of a host.
  ///
  /// Looks up the route to each peer; only to the first 8 if the VXLAN device exists and `directRouting` is off.
  public init<K: Kernel & ~Copyable>(
    _ settings: OverlaySettings, of network: NetworkName, on kernel: inout K
  ) throws(KernelError) {
    let names = settings.names(of: network)
    bridge = try kernel.link(names.bridge, on: .host)
    vxlan = try kernel.link(names.vxlan, on: .host)
    if bridge != nil { gatewayAddresses = try kernel.addresses(of: names.bridge, on: .host) }
    if settings.isGateway, settings.forwards { advertisedLinks = try kernel.linksThatLoseAdvertisedRoutes() }
    if let wanted = settings.vrf { vrf = try OverlayVRFState(wanted, on: &kernel) }
    if let name = settings.dev { dev = try kernel.link(name, on: .host) }
    if [bridge, vxlan, settings.vrf?.tunnel == nil ? vxlan : vrf.device].contains(where: { $0?.isUp != true }) {
      hasIPv6 = try kernel.sysctl("net/ipv6/conf/default/disable_ipv6", on: .host) != nil
    }
    try readPaths(settings, on: &kernel)
    if underlayMTU == nil { underlayMTU = try kernel.underlayLinkMTU(settings.local, dev: dev) }
    guardsTunnel = try kernel.filter.has(.nftables)
    let others = try kernel.links(kind: "vxlan", master: nil, on: .host).filter {
      $0.vxlan?.port == settings.tunnel.port && $0.name != names.vxlan
    }
    sharesPort = others.contains { $0.group != Isolation.linkGroup }
    if vxlan == nil { conflictingDevice = others.first { $0.vxlan?.vni == settings.tunnel.vni } }
  }

  private mutating func readPaths<K: Kernel & ~Copyable>(
    _ settings: OverlaySettings, on kernel: inout K
  ) throws(KernelError) {
    let isWhole = vxlan == nil || settings.routesDirectly
    for peer in settings.controlState.peers.prefix(isWhole ? .max : 8) {
      guard let path = try kernel.path(to: peer.vtep) else { continue }
      if path.gateway == nil { directLinks[peer.vtep] = path.link.name }
      underlayMTU = min(underlayMTU ?? .max, path.mtu ?? path.link.mtu)
    }
    if !settings.routesDirectly { directLinks = [:] }
  }
}

extension Kernel where Self: ~Copyable {
  /// MTU of `dev`; else of the link with the address `local`; else of the default route's link.
  fileprivate mutating func underlayLinkMTU(_ local: IPAddress, dev: LinkInfo?) throws(KernelError) -> Int? {
    if let dev { return dev.mtu }
    if let link = try uplink(on: .host),
      try addresses(of: link.name, on: .host).contains(where: { $0.address == local })
    {
      return link.mtu
    }
    for link in try allLinks(on: .host) where !link.isLoopback && link.alias?.hasPrefix(AttachmentID.tagPrefix) != true
    {
      if try addresses(of: link.name, on: .host).contains(where: { $0.address == local }) { return link.mtu }
    }
    return try uplink(on: .host)?.mtu
  }
}
