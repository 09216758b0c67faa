import CNI
public import NetTypes

/// The network namespace of an operation.
public enum NetNS: String, Sendable, Hashable, CaseIterable, CustomStringConvertible {
  case host
  case container

  public var description: String { rawValue }
}

/// A link's name and its namespace.
public struct LinkKey: Hashable, Sendable {
  public var name: InterfaceName
  public var netns: NetNS

  public init(_ name: InterfaceName, on netns: NetNS) {
    self.name = name
    self.netns = netns
  }
}

/// A link as the kernel reports it.
public struct LinkInfo: Equatable, Sendable {
  public var name: InterfaceName
  public var index: Int32
  /// `veth`, `bridge`, `macvlan` and so on; `nil` for hardware and loopback.
  public var kind: String?
  /// The MTU in bytes.
  public var mtu: Int
  public var mac: MACAddress?
  public var isUp = false
  public var isLoopback = false
  public var isPromiscuous = false
  /// Whether it receives all multicast packets.
  public var isAllMulticast = false
  /// The transmit queue length in packets.
  public var txQueueLength = 0
  /// Whether it forwards packets: `operstate` is up, or unknown because links of that kind do not report it.
  public var isRunning = false
  /// The alias (`ip link set alias`), which we use for an owner's tag.
  public var alias: String?
  /// The link group (`ip link set group`); 0 unless it was set.
  public var group = 0
  /// The index of the bridge or VRF that is its master.
  public var master: Int32?
  /// The index of a veth's peer, which may be in another namespace (`IFLA_LINK`).
  public var peerIndex: Int32?
  /// The index of the parent of a macvlan, ipvlan, VLAN or VXLAN link, which may be in another namespace.
  public var parentIndex: Int32?
  /// The nsid of the namespace of the peer or parent, in this namespace; `nil` if it is this one.
  public var linkNetNSID: Int32?
  /// Whether a bridge filters VLANs (`vlan_filtering`); `nil` for other links.
  public var filtersVLANs: Bool?
  /// Whether a user set the bridge's MAC address, so that it does not follow the ports (`addr_assign_type` 3).
  ///
  /// `nil` for other links, or if sysfs does not show this namespace.
  public var keepsMAC: Bool?
  /// Its settings as a bridge port; `nil` if it is not one.
  public var port: BridgePort?
  /// Its settings as a link with a parent; `nil` if it has none.
  public var childKind: ChildLink?
  /// The settings of a VXLAN device, all of them filled in; `parentIndex` is the link that sends its packets, if there is one.
  public var vxlan: VXLAN?
  /// The routing table of a VRF; `nil` for other links.
  public var vrfTable: Int?

  public init(name: InterfaceName, index: Int32, kind: String? = nil, mtu: Int = 1500, mac: MACAddress? = nil) {
    self.name = name
    self.index = index
    self.kind = kind
    self.mtu = mtu
    self.mac = mac
  }
}

/// Settings of a bridge's port; `nil` leaves a setting unchanged.
public struct BridgePort: Equatable, Sendable {
  /// Whether frames may leave by the port on which they arrived.
  public var hairpin: Bool?
  /// Whether frames to other isolated ports are dropped.
  public var isolated: Bool?
  /// Whether MAC addresses are learnt from arriving frames.
  public var learning: Bool?
  /// Whether ARP and neighbour discovery are answered from the bridge's own tables.
  public var neighSuppress: Bool?
  /// Whether only frames from addresses in the port's FDB entries are accepted.
  ///
  /// `nil` when read: the kernel (Linux < 5.18) does not have the setting and ignores it.
  public var locked: Bool?

  public init(
    hairpin: Bool? = nil, isolated: Bool? = nil, learning: Bool? = nil, neighSuppress: Bool? = nil, locked: Bool? = nil
  ) {
    self.hairpin = hairpin
    self.isolated = isolated
    self.learning = learning
    self.neighSuppress = neighSuppress
    self.locked = locked
  }

  public var isEmpty: Bool { self == BridgePort() }
}

/// A link to be created.
public struct LinkSpec: Equatable, Sendable {
  public enum Kind: Equatable, Sendable {
    /// A bridge without spanning tree.
    case bridge(filtersVLANs: Bool)
    /// A pair; the link itself is on the host, the peer in the container unless the peer names another side.
    case veth(peer: Peer)
    /// A link with that parent.
    case childLink(ChildLink, over: LinkKey)
    /// A link that discards all packets.
    case dummy
    /// A tunnel on the host to other hosts; its packets leave by the named link, or by the routes.
    case vxlan(VXLAN, over: InterfaceName?)
    /// A VRF: the links that have it as master use only that routing table.
    case vrf(table: Int)
  }

  /// The limit of learnt addresses for bridges that we create, if the kernel (Linux >= 6.7) supports one.
  ///
  /// Frames to other addresses are flooded to all ports.
  public static let maxLearnedEntries = 4096

  public struct Peer: Equatable, Sendable {
    public var name: InterfaceName
    public var mac: MACAddress?
    public var netns: NetNS
    public init(name: InterfaceName, mac: MACAddress? = nil, netns: NetNS = .container) {
      self.name = name
      self.mac = mac
      self.netns = netns
    }
  }

  public var name: InterfaceName
  public var kind: Kind
  /// `nil`: the kernel chooses one at random.
  public var mac: MACAddress?
  /// The MTU in bytes, of both ends of a pair; `nil`: the kernel's default.
  public var mtu: Int?
  /// The link group from its creation on, of a pair for the link itself; `nil`: the kernel's default, 0.
  public var group: Int?
  /// The alias, for bridges; present as soon as the bridge has its name.
  public var alias: String?
  /// The namespace of the link; bridges and pairs are on the host.
  public var netns: NetNS

  public init(
    _ name: InterfaceName, kind: Kind, mac: MACAddress? = nil, mtu: Int? = nil, group: Int? = nil,
    alias: String? = nil, on netns: NetNS = .host
  ) {
    self.name = name
    self.kind = kind
    self.mac = mac
    self.mtu = mtu
    self.group = group
    self.alias = alias
    self.netns = netns
  }

  public var key: LinkKey { LinkKey(name, on: netns) }
}

extension InterfaceName {
  /// The temporary name, for a link that the kernel cannot create under its own name.
  public var temporaryName: InterfaceName {
    guard let name = InterfaceName("cn\(AttachmentID.shortHash(description))") else {
      preconditionFailure("15 letters and digits are an interface name")
    }
    return name
  }
}

/// The changes of a link; `nil` leaves a setting unchanged.
public struct LinkChange: Equatable, Sendable {
  public var isUp: Bool?
  public var isPromiscuous: Bool?
  public var isAllMulticast: Bool?
  public var mtu: Int?
  /// The transmit queue length in packets.
  public var txQueueLength: Int?
  public var mac: MACAddress?
  public var alias: String?
  public var group: Int?
  /// The bridge or VRF that becomes its master.
  public var master: InterfaceName?
  public var port = BridgePort()
  /// The source address of a VXLAN device's packets.
  public var local: IPAddress?

  public init(
    isUp: Bool? = nil, isPromiscuous: Bool? = nil, isAllMulticast: Bool? = nil, mtu: Int? = nil,
    txQueueLength: Int? = nil, mac: MACAddress? = nil, alias: String? = nil, group: Int? = nil,
    master: InterfaceName? = nil, port: BridgePort = BridgePort(), local: IPAddress? = nil
  ) {
    self.isUp = isUp
    self.isPromiscuous = isPromiscuous
    self.isAllMulticast = isAllMulticast
    self.mtu = mtu
    self.txQueueLength = txQueueLength
    self.mac = mac
    self.alias = alias
    self.group = group
    self.master = master
    self.port = port
    self.local = local
  }
}
