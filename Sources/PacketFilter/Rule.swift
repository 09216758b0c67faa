public import NetTypes

/// One thing that is wanted of the packet filter, whatever backend makes it so.
public enum Rule: Equatable, Sendable {
  case masquerade(Masquerade)
  case isolate(Isolation)
  case link(ContainerLink)
  case guardSource(SourceGuard)
  case guardAddresses(AddressGuard)
  case guardTunnel(TunnelGuard)
  case publish(PublishedPort)
  case float(FloatingAddress)
  case admit(Admission)
  case serve(NameService)
  case pass(Passage)
  case trust(ZoneSource)
}

/// What a container sends to the outside leaves with an address of the host.
///
/// One rule for each subnet and network, however many containers; it goes with the last of them. Packets to `subnet`
/// itself and multicast keep their source.
public struct Masquerade: Equatable, Sendable {
  /// The container's.
  public var address: IPAddress
  public var subnet: IPPrefix
  /// Whether source ports are drawn at random (`--random-fully`).
  public var isRandom: Bool

  public init(_ address: IPAddress, in subnet: IPPrefix, isRandom: Bool = false) {
    self.address = address
    self.subnet = subnet
    self.isRandom = isRandom
  }
}

/// Who may open connections through a bridge; one for each bridge, with its last owner it goes.
///
/// A network that reaches its other hosts by a second link, its `partner`, is both links: what passes between them is
/// the network's own, and what is refused from or to the bridge is refused from or to the partner.
///
/// Answers (conntrack `ESTABLISHED`, `RELATED`) and published ports (`DNAT`) pass, but not where nobody is admitted.
public struct Isolation: Equatable, Sendable {
  public enum Reach: String, CaseIterable, Sendable {
    /// Anybody but other networks that are isolated here, both ways.
    case outside
    /// Nobody from beyond the network's links; its own containers may reach what is no network of ours.
    case network
    /// Neither in nor out.
    case nobody
  }

  public var bridge: InterfaceName
  /// The link by which the host routes to the network's containers on other hosts; `nil`: there is none.
  public var partner: InterfaceName?
  /// Where the network's containers on other hosts are that are routed to without the partner: what comes from there,
  /// and by no other network's link, is the network's own.
  public var direct: [IPPrefix]
  public var reach: Reach
  /// Whether the network's containers are kept from each other too, but for what a `ContainerLink` lets pass.
  ///
  /// It counts for what the host forwards: with br_netfilter, or where ports are isolated and the host answers ARP.
  /// What goes between hosts is forwarded always: containers there open no connections to containers here, nor those
  /// here to them. A link must be known to both hosts.
  public var separatesContainers: Bool

  /// The link group (`ip link set group`) of every bridge and tunnel that we made: "cni" in ASCII.
  public static let linkGroup = 0x63_6E69
  /// The link group of the host's end of every `ptp` pair: what comes from a container arrives on that link itself.
  public static let pairGroup = linkGroup + 1

  public init(
    _ bridge: InterfaceName, partner: InterfaceName? = nil, direct: [IPPrefix] = [], reach: Reach,
    separatesContainers: Bool = false
  ) {
    self.bridge = bridge
    self.partner = partner
    self.direct = direct
    self.reach = reach
    self.separatesContainers = separatesContainers
  }

  /// The network's links on the host, its bridge first.
  public var links: [InterfaceName] { [bridge, partner].compactMap(\.self) }
}

/// A container may open connections to another one of its bridge where containers are kept apart.
public struct ContainerLink: Equatable, Sendable {
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

/// Frames that enter a bridge by this port must come from this hardware address.
public struct SourceGuard: Equatable, Sendable {
  /// On the host.
  public var port: InterfaceName
  public var mac: MACAddress

  public init(_ port: InterfaceName, mac: MACAddress) {
    self.port = port
    self.mac = mac
  }
}

/// A port of the host that leads to a container's.
public struct PublishedPort: Equatable, Sendable {
  public var transport: TransportProtocol
  /// The address of the host it counts for, of `target`'s family; `nil`: all.
  public var hostIP: IPAddress?
  public var hostPort: UInt16
  /// The container's address.
  public var target: IPAddress
  public var targetPort: UInt16
  /// Which connections must reach the container from the host's address, so that its answers come back here.
  ///
  /// `nil`: none.
  public var masquerade: ReturnPath?
  /// Further matches in the backend's own words: `["-s", "10.0.0.0/8"]` or `["ip", "saddr", "10.0.0.0/8"]`.
  public var conditions: [String] = []
  /// What arrives by one of these is left alone.
  public var excludedDevices: [InterfaceName] = []
  /// The chain that the rule stands in; `nil`: the backend's.
  public var chain: String?
  /// Whether another network of the same container publishes the port too: this counts when that no longer does.
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

  /// Whether both cannot be published at once, as two sockets could not be bound to both.
  public func conflicts(with other: PublishedPort) -> Bool {
    transport == other.transport && hostPort == other.hostPort && family == other.family
      && (hostIP == nil || other.hostIP == nil || hostIP == other.hostIP)
  }

  /// Whether the rule has a place of its own, which a lookup by port alone would not find.
  public var isConditional: Bool { !conditions.isEmpty || !excludedDevices.isEmpty || chain != nil }
}

/// Connections to a published port that are masqueraded on their way to the container.
public struct ReturnPath: Equatable, Sendable {
  /// The container's network: what comes from there, the container itself too, and from the host's loopback addresses.
  public var subnet: IPPrefix
  /// The link on the host by which the container is reached.
  public var link: InterfaceName
  /// Whether all connections are masqueraded.
  public var everything: Bool
  public var marking: Marking

  public enum Marking: Equatable, Sendable {
    /// Told by conntrack; no mark is set.
    case none
    /// This bit of the packet's mark, 0 to 31, is set, and we masquerade what has it.
    case bit(Int)
    /// This chain of the `nat` table sets a mark, and somebody else masquerades what has it; iptables only.
    case chain(String)
  }

  public init(subnet: IPPrefix, link: InterfaceName, everything: Bool = false, marking: Marking = .none) {
    self.subnet = subnet
    self.link = link
    self.everything = everything
    self.marking = marking
  }
}

/// An address of the outside that is one container's, both ways.
public struct FloatingAddress: Equatable, Sendable {
  public var external: IPAddress
  /// The container's, of the same family.
  public var target: IPAddress
  /// The link on the host by which the container is reached; neighbours behind it are masqueraded.
  public var link: InterfaceName
  public var subnet: IPPrefix
  /// The link of the host that was given the address for this, and loses it with the rule; `nil`: none was.
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

/// What the host forwards for this address passes: all it sends, and answers to it.
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
  /// The operator's own chain, asked before; made where it is missing; iptables only.
  public var adminChain: String?
  /// The whole network is admitted where the host's own chains drop; `nil`: the address alone.
  public var network: Network?

  public init(_ address: IPAddress, adminChain: String? = nil, network: Network? = nil) {
    self.address = address
    self.adminChain = adminChain
    self.network = network
  }
}
