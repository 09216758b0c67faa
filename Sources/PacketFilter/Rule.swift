public import NetTypes

/// One rule that a plugin wants, independent of the backend.
public enum Rule: Equatable, Sendable {
  case masquerade(Masquerade)
  case isolate(Isolation)
  case link(AllowedConnection)
  case guardSource(SourceGuard)
  case guardAddresses(AddressGuard)
  case guardTunnel(TunnelGuard)
  case publish(PublishedPort)
  case float(FloatingAddress)
  case admit(Admission)
  case serve(NameService)
  case pass(Passage)
  case trust(ZoneSource)
  case limit(Policy)
  case join(Membership)
  case balance(BackEnd)
}

/// Masquerades what a container sends to the outside: the packets get an address of the host.
///
/// Each subnet and network has one rule, whatever the number of containers; it is removed with the last of them. Packets
/// to `subnet` itself and to multicast addresses keep their source.
public struct Masquerade: Equatable, Sendable {
  /// The container's address.
  public var address: IPAddress
  public var subnet: IPPrefix
  /// Whether source ports are chosen at random (`--random-fully` of iptables(8)).
  public var isRandom: Bool

  public init(_ address: IPAddress, in subnet: IPPrefix, isRandom: Bool = false) {
    self.address = address
    self.subnet = subnet
    self.isRandom = isRandom
  }
}

/// Limits the connections through a bridge; each bridge has one rule, which is removed with its last owner.
///
/// A network may reach its other hosts by a second link, its `partner`. Then both links belong to the network: packets
/// between them pass, and what is dropped from or to the bridge is dropped from or to the partner too.
///
/// Replies (conntrack `ESTABLISHED`, `RELATED`) and published ports (`DNAT`) pass, except if `reach` is `closed`.
public struct Isolation: Equatable, Sendable {
  public enum Reach: String, CaseIterable, Sendable {
    /// All except other networks that are isolated on this host, in both directions.
    case outside
    /// No new connections from outside the network's links; its own containers may reach all but our other networks.
    case network
    /// No connections in or out.
    case closed = "nobody"
  }

  public var bridge: InterfaceName
  /// The link by which the host routes to the network's containers on other hosts; `nil`: there is none.
  public var partner: InterfaceName?
  /// Prefixes of the network's containers on other hosts that are routed without the partner.
  ///
  /// Packets from these prefixes belong to the network, unless they arrive on another network's link.
  public var directPrefixes: [IPPrefix]
  public var reach: Reach
  /// Whether the network's containers are kept from each other too, except for what a `AllowedConnection` accepts.
  ///
  /// This applies to packets that the host forwards at layer 3: with br_netfilter, or if the bridge ports are isolated
  /// and the host answers ARP. Packets between hosts are always forwarded, so containers on different hosts are always
  /// separated. Connections between them need a `AllowedConnection` on both hosts.
  public var separatesContainers: Bool

  /// The link group (`ip link set group`) of every bridge and tunnel that we create: "cni" in ASCII.
  public static let linkGroup = 0x63_6E69
  /// The link group of the host's end of every `ptp` pair, on which the container's own packets arrive.
  public static let pairGroup = linkGroup + 1

  public init(
    _ bridge: InterfaceName, partner: InterfaceName? = nil, directPrefixes: [IPPrefix] = [], reach: Reach,
    separatesContainers: Bool = false
  ) {
    self.bridge = bridge
    self.partner = partner
    self.directPrefixes = directPrefixes
    self.reach = reach
    self.separatesContainers = separatesContainers
  }

  /// The network's links on the host, its bridge first.
  public var links: [InterfaceName] { [bridge, partner].compactMap { $0 } }
}

/// Accepts connections from one container to another on a bridge that separates containers.
public struct AllowedConnection: Equatable, Sendable {
  public var bridge: InterfaceName
  public var from: IPAddress
  public var to: IPAddress
  public var transport: TransportProtocol
  public var port: UInt16

  public init(_ bridge: InterfaceName, from: IPAddress, to: IPAddress, _ transport: TransportProtocol, _ port: UInt16) {
    self.bridge = bridge
    self.from = from
    self.to = to
    self.transport = transport
    self.port = port
  }
}

/// Frames that enter a bridge by this port must have this source hardware address.
public struct SourceGuard: Equatable, Sendable {
  /// The bridge port: the host's end of the veth pair.
  public var port: InterfaceName
  public var mac: MACAddress

  public init(_ port: InterfaceName, mac: MACAddress) {
    self.port = port
    self.mac = mac
  }
}

/// A port of the host that is forwarded (DNAT) to a container's port.
public struct PublishedPort: Equatable, Sendable {
  public var transport: TransportProtocol
  /// The host's address at which the port is published, of `target`'s family; `nil`: all addresses.
  public var hostIP: IPAddress?
  public var hostPort: UInt16
  /// The container's address.
  public var target: IPAddress
  public var targetPort: UInt16
  /// The connections that are masqueraded on their way to the container, so that its replies return through the host.
  ///
  /// `nil`: none.
  public var masquerade: ReturnPath?
  /// Further matches in the backend's own syntax: `["-s", "10.0.0.0/8"]` or `["ip", "saddr", "10.0.0.0/8"]`.
  public var conditions: [String] = []
  /// Packets that arrive on one of these links are not translated.
  public var excludedDevices: [InterfaceName] = []
  /// The chain that holds the rule; `nil`: the backend's own.
  public var chain: String?
  /// Whether another network of the same container publishes the port too: this rule takes effect when that one is gone.
  public var isSpare = false

  public init(
    _ transport: TransportProtocol, hostIP: IPAddress? = nil, hostPort: UInt16, to target: IPAddress, _ port: UInt16,
    masquerade: ReturnPath? = nil
  ) {
    self.transport = transport
    self.hostIP = hostIP
    self.hostPort = hostPort
    self.target = target
    targetPort = port
    self.masquerade = masquerade
  }

  public var family: IPFamily { target.family }

  /// Whether the two cannot be published at the same time, as two sockets could not be bound to both.
  public func conflicts(with other: PublishedPort) -> Bool {
    transport == other.transport && hostPort == other.hostPort && family == other.family
      && (hostIP == nil || other.hostIP == nil || hostIP == other.hostIP)
  }

  /// Whether the rule needs its own entry, because a lookup by address and port alone would not find it.
  public var isConditional: Bool { !conditions.isEmpty || !excludedDevices.isEmpty || chain != nil }
}

/// Connections to a published port that are masqueraded on their way to the container.
public struct ReturnPath: Equatable, Sendable {
  /// The container's network: connections from it (also from the container itself) and from the host's loopback addresses.
  public var subnet: IPPrefix
  /// The host's link to the container.
  public var link: InterfaceName
  /// Whether all connections are masqueraded.
  public var everything: Bool
  public var marking: Marking

  public enum Marking: Equatable, Sendable {
    /// Connections are recognised by conntrack; no mark is set.
    case none
    /// This bit of the packet's mark (0 to 31) is set, and we masquerade packets that have it.
    case bit(Int)
    /// This chain of the `nat` table sets a mark, and another program masquerades packets that have it; iptables only.
    case chain(String)
  }

  public init(subnet: IPPrefix, link: InterfaceName, everything: Bool = false, marking: Marking = .none) {
    self.subnet = subnet
    self.link = link
    self.everything = everything
    self.marking = marking
  }
}

/// An external address that belongs to one container, translated in both directions.
public struct FloatingAddress: Equatable, Sendable {
  public var external: IPAddress
  /// The container's address, of the same family.
  public var target: IPAddress
  /// The host's link to the container; connections from its neighbours on that link are masqueraded.
  public var link: InterfaceName
  public var subnet: IPPrefix
  /// The host's link that got the address for this rule and loses it with the rule; `nil`: none got it.
  public var device: InterfaceName?

  public init(
    _ external: IPAddress, to target: IPAddress, link: InterfaceName, subnet: IPPrefix, device: InterfaceName? = nil
  ) {
    self.external = external
    self.target = target
    self.link = link
    self.subnet = subnet
    self.device = device
  }
}

/// Accepts what the host forwards for this address: all packets from it, and the replies.
public struct Admission: Equatable, Sendable {
  /// The bridge of a network and the network's addresses on it.
  public struct Network: Equatable, Sendable {
    public var link: InterfaceName
    public var subnet: IPPrefix

    public init(_ link: InterfaceName, _ subnet: IPPrefix) {
      self.link = link
      self.subnet = subnet
    }
  }

  public var address: IPAddress
  /// The operator's own chain, which is evaluated first and created if it is missing; iptables only.
  public var adminChain: String?
  /// The network to accept as a whole in the host's own chains that drop; `nil`: the address alone.
  public var network: Network?

  public init(_ address: IPAddress, adminChain: String? = nil, network: Network? = nil) {
    self.address = address
    self.adminChain = adminChain
    self.network = network
  }
}

extension Rule: CustomStringConvertible {
  /// The rule for messages.
  public var description: String {
    switch self {
    case .masquerade(let rule): "masquerade of \(rule.address) out of \(rule.subnet)"
    case .isolate(let rule): "isolation of bridge \(rule.links.map { $0.description }.joined(separator: " and "))"
    case .link(let link): "link from \(link.from) to \(link.to), port \(link.port)/\(link.transport)"
    case .guardSource(let guarded): "source address \(guarded.mac) of \(guarded.port)"
    case .guardAddresses(let guarded):
      "source addresses \(guarded.addresses.map { $0.description }.joined(separator: ", ")) of \(guarded.port)"
    case .guardTunnel(let tunnel):
      "UDP port \(tunnel.port) for VXLAN packets of \(tunnel.peers.map { "\($0.count) hosts" } ?? "all hosts"), not of containers"
    case .publish(let port): "\(port)"
    case .float(let floating): "floating address \(floating.external) to \(floating.target)"
    case .admit(let admission): "admission of \(admission.address)"
    case .pass(let passage): "passage of \(passage.subnet) through the host's chain FORWARD"
    case .trust(let source): "\(source)"
    case .limit(let policy): "policy of \(policy.subject)"
    case .join(let member): "labels \(member.labels.map { $0.description }.joined(separator: ", "))"
    case .balance(let backEnd): "back-end \(backEnd)"
    case .serve(let service): "name service at \(service.address) for \(service.bridge)"
    }
  }
}

extension PublishedPort: CustomStringConvertible {
  /// `host port 192.0.2.1:8080/tcp to 10.1.0.2:80`.
  public var description: String { "host port \(hostText) to \(target.withPort(targetPort))" }

  /// `192.0.2.1:8080/tcp`, `8080/tcp`.
  public var hostText: String { (hostIP?.withPort(hostPort) ?? "\(hostPort)") + "/\(transport)" }
}

extension IPAddress {
  /// `10.1.0.2:80`, `[fd00::2]:80`.
  public func withPort(_ port: UInt16) -> String { family == .v4 ? "\(self):\(port)" : "[\(self)]:\(port)" }
}
