public import NetTypes

/// An address on a link.
public struct AddressSpec: Equatable, Sendable {
  public var prefix: IPPrefix
  public var interface: InterfaceName
  public var netns: NetNS
  /// Whether the address is usable at once, without duplicate address detection; no effect for IPv4.
  public var skipsDAD: Bool
  /// Whether the kernel may choose it as source address, also for masqueraded packets.
  ///
  /// No effect for IPv4, where the oldest address of a subnet is chosen.
  public var isSource: Bool
  /// Whether the kernel adds a route to the address's subnet.
  public var addsSubnetRoute: Bool
  /// Whether it is announced on the link (gratuitous ARP, NA): neighbours may have another MAC address for it.
  public var isAnnounced: Bool

  public init(
    _ prefix: IPPrefix, on interface: InterfaceName, _ netns: NetNS, skipsDAD: Bool = true, isSource: Bool = true,
    addsSubnetRoute: Bool = true, isAnnounced: Bool = false
  ) {
    self.prefix = prefix
    self.interface = interface
    self.netns = netns
    self.skipsDAD = skipsDAD
    self.isSource = isSource
    self.addsSubnetRoute = addsSubnetRoute
    self.isAnnounced = isAnnounced
  }
}

/// A route through a link.
public struct RouteSpec: Hashable, Sendable {
  public var dst: IPPrefix
  public var interface: InterfaceName
  public var netns: NetNS
  public var gateway: IPAddress?
  /// The MTU in bytes.
  public var mtu: Int?
  /// The TCP maximum segment size to announce, in bytes.
  public var advmss: Int?
  /// The metric: the route with the lowest one is used.
  public var priority: Int?
  /// The routing table; `nil`: the main table.
  public var table: Int?
  /// The scope of `rtnetlink(7)`: 0 global, 253 link, 254 host.
  ///
  /// `nil`: link for a route without a gateway, else global.
  public var scope: Int?
  /// The gateway is reachable on this link without an address in its subnet; equals `onlink` of ip-route(8).
  public var isOnLink = false
  /// The preferred source address; `nil`: the kernel's choice.
  public var source: IPAddress?
  /// Whether a router advertisement, a DHCP client or a routing daemon made the route; false for routes not added yet.
  ///
  /// The `proto` of such a route is neither `boot`, which ours have, nor `static`.
  public var isLearnt = false

  public init(_ dst: IPPrefix, via gateway: IPAddress? = nil, on interface: InterfaceName, _ netns: NetNS) {
    self.dst = dst
    self.gateway = gateway
    self.interface = interface
    self.netns = netns
  }

  /// Hashes what differs in tables of thousands of entries.
  public func hash(into hasher: inout Hasher) { hasher.combine(dst.address) }
}

/// A neighbour entry: the MAC address for an IP address on a link.
public struct NeighbourSpec: Hashable, Sendable {
  public var address: IPAddress
  /// `nil`: a proxy entry, the host answers for the address on that link (`ip neigh add proxy`).
  public var mac: MACAddress?
  public var interface: InterfaceName
  public var netns: NetNS

  public init(_ address: IPAddress, mac: MACAddress?, on interface: InterfaceName, _ netns: NetNS) {
    self.address = address
    self.mac = mac
    self.interface = interface
    self.netns = netns
  }

  public func hash(into hasher: inout Hasher) { hasher.combine(address) }
}

/// An FDB entry: the bridge port or the tunnel end behind which a MAC address is.
public struct FDBSpec: Hashable, Sendable {
  public enum Table: Hashable, Sendable {
    /// The FDB of the bridge that the link is a port of (`bridge fdb add … master static`).
    case master
    /// The same, for a container's port: the entry stays there if frames from that address arrive on another port (`sticky`).
    ///
    /// It is written for every VLAN of the port.
    case port
    /// The same, from a control plane (`extern_learn`): it does not age, and a routing daemon advertises it and may move it.
    case externallyLearned
    /// The FDB of a VXLAN device: frames are sent to that tunnel end (`bridge fdb add … dst`).
    ///
    /// The all-zero MAC address is for unknown addresses and may have several tunnel ends.
    case tunnel(to: IPAddress)
  }
  public var mac: MACAddress
  public var interface: InterfaceName
  public var table: Table

  public init(_ mac: MACAddress, on interface: InterfaceName, in table: Table) {
    self.mac = mac
    self.interface = interface
    self.table = table
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(mac)
    if case .tunnel(let end) = table { hasher.combine(end) }
  }
}

/// A kernel setting below `/proc/sys/`, as of sysctl(8).
public struct Sysctl: Equatable, Sendable {
  /// The path below `/proc/sys/`: "net/ipv4/ip_forward".
  public var key: String
  public var value: String
  /// Whether an ADD continues without it.
  ///
  /// It is skipped if the kernel does not have it, and left unchanged, with a warning, if it cannot be written. CHECK
  /// does not compare it.
  public var isOptional: Bool

  public init(_ key: String, _ value: String, isOptional: Bool = false) {
    self.key = key
    self.value = value
    self.isOptional = isOptional
  }

  /// Whether `text`, as read from the kernel, is this value.
  ///
  /// The kernel separates several numbers by tabs, whatever separated them when they were written.
  public func matches(_ text: String) -> Bool {
    let words = { (text: String) in text.split { $0 == " " || $0 == "\t" } }
    return words(text) == words(value)
  }

  /// The interface of a setting for one interface; `nil` for other settings.
  public var interface: InterfaceName? {
    let parts = key.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 5, parts[0] == "net", parts[2] == "conf", parts[3] != "all", parts[3] != "default" else {
      return nil
    }
    return InterfaceName(String(parts[3]))
  }

  /// A setting such as `net/ipv4/conf/eth0/arp_notify`.
  public static func conf(
    _ family: IPFamily, _ interface: InterfaceName, _ key: String, _ value: String, isOptional: Bool = false
  ) -> Sysctl {
    Sysctl("net/ipv\(family.digit)/conf/\(interface)/\(key)", value, isOptional: isOptional)
  }

  /// Whether packets that arrive on that link may be routed to 127.0.0.0/8.
  public static func routeLocalnet(_ interface: InterfaceName, _ value: String) -> Sysctl {
    conf(.v4, interface, "route_localnet", value)
  }
}
