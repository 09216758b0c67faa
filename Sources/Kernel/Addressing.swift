public import NetTypes

/// An address on a link.
public struct AddressSpec: Equatable, Sendable {
  public var prefix: IPPrefix
  public var interface: InterfaceName
  public var side: Side
  /// Usable at once, without duplicate address detection; means nothing in IPv4.
  public var skipsDAD: Bool
  /// Whether the kernel may choose it for what is sent from no address in particular, masqueraded packets too.
  ///
  /// Means nothing in IPv4, where the oldest address of a subnet is chosen.
  public var isSource: Bool
  /// Whether the kernel makes a route to the address's subnet for it.
  public var bringsSubnetRoute: Bool
  /// Whether the address is announced on that link (GARP, NA): neighbours may have another MAC address for it.
  public var isAnnounced: Bool

  public init(
    _ prefix: IPPrefix, on interface: InterfaceName, _ side: Side, skipsDAD: Bool = true, isSource: Bool = true,
    bringsSubnetRoute: Bool = true, isAnnounced: Bool = false
  ) {
    self.prefix = prefix
    self.interface = interface
    self.side = side
    self.skipsDAD = skipsDAD
    self.isSource = isSource
    self.bringsSubnetRoute = bringsSubnetRoute
    self.isAnnounced = isAnnounced
  }
}

/// A route out of a link.
public struct RouteSpec: Hashable, Sendable {
  public var dst: IPPrefix
  public var interface: InterfaceName
  public var side: Side
  public var gateway: IPAddress?
  /// Largest packet, in bytes.
  public var mtu: Int?
  /// Largest TCP segment to announce, in bytes.
  public var advmss: Int?
  /// The metric: the lowest wins.
  public var priority: Int?
  /// `nil`: the main table.
  public var table: Int?
  /// As in `rtnetlink(7)`: 0 global, 253 link, 254 host.
  ///
  /// `nil`: link without a gateway, global with one.
  public var scope: Int?
  /// The gateway is on this link though no address says so.
  public var isOnLink = false
  /// The address that packets without one are sent from; `nil`: the kernel's choice.
  public var source: IPAddress?
  /// Made by a router advertisement, a DHCP client or a routing daemon; false for routes that are not there yet.
  ///
  /// Its `proto` is neither `boot`, as ours have, nor `static`.
  public var isLearnt = false

  public init(_ dst: IPPrefix, via gateway: IPAddress? = nil, on interface: InterfaceName, _ side: Side) {
    self.dst = dst
    self.gateway = gateway
    self.interface = interface
    self.side = side
  }
}

/// An entry of the neighbour table: who has that address.
public struct NeighbourSpec: Hashable, Sendable {
  public var address: IPAddress
  /// `nil`: we answer for it ourselves on that link (`ip neigh add proxy`).
  public var mac: MACAddress?
  public var interface: InterfaceName
  public var side: Side

  public init(_ address: IPAddress, mac: MACAddress?, on interface: InterfaceName, _ side: Side) {
    self.address = address
    self.mac = mac
    self.interface = interface
    self.side = side
  }
}

/// An entry of a forwarding database: behind which port, or which tunnel end, that hardware address is.
public struct FDBSpec: Hashable, Sendable {
  public enum Table: Hashable, Sendable {
    /// The bridge that the link is a port of.
    case master
    /// The same, of a container's port: it stays there whatever port frames from that address come in by.
    ///
    /// Written for every VLAN that the port has.
    case port
    /// The same, as a control plane learnt it: it does not age, and a routing daemon passes it on and may move it.
    case externallyLearned
    /// The link's own, a VXLAN device's; frames go to that tunnel end.
    ///
    /// The address of zeros stands for all that is not known, and may lead to several ends.
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
}

/// A kernel setting below `/proc/sys/`.
public struct Sysctl: Equatable, Sendable {
  /// The path below `/proc/sys/`: "net/ipv4/ip_forward".
  public var key: String
  public var value: String
  /// Whether an ADD goes on without it.
  ///
  /// It is skipped if the kernel does not have it, and left as it is, with a warning, if it cannot be written. CHECK does
  /// not compare it.
  public var isOptional: Bool

  public init(_ key: String, _ value: String, isOptional: Bool = false) {
    self.key = key
    self.value = value
    self.isOptional = isOptional
  }

  /// Whether `text`, as the kernel tells it, is this value.
  ///
  /// Where several numbers are one setting, the kernel writes a tab between them, however they came.
  public func isMet(by text: String) -> Bool {
    let words = { (text: String) in text.split { $0 == " " || $0 == "\t" } }
    return words(text) == words(value)
  }

  /// The interface that it is a setting of; `nil` for all others.
  public var interface: InterfaceName? {
    let parts = key.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 5, parts[0] == "net", parts[2] == "conf", parts[3] != "all", parts[3] != "default" else {
      return nil
    }
    return InterfaceName(String(parts[3]))
  }

  /// `net/ipv4/conf/eth0/arp_notify` and its like.
  public static func conf(
    _ family: IPFamily, _ interface: InterfaceName, _ key: String, _ value: String, isOptional: Bool = false
  ) -> Sysctl {
    Sysctl("net/ipv\(family.digit)/conf/\(interface)/\(key)", value, isOptional: isOptional)
  }

  /// Whether what comes by that link may be routed to 127.0.0.0/8.
  public static func routeLocalnet(_ interface: InterfaceName, _ value: String) -> Sysctl {
    conf(.v4, interface, "route_localnet", value)
  }
}
