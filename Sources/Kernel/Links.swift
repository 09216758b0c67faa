import CNI
public import NetTypes

/// Which network namespace an operation happens in.
public enum Side: Sendable, Hashable, CaseIterable {
  case host
  case container
}

/// A link's name and the namespace it is in.
public struct LinkPlace: Hashable, Sendable {
  public var name: InterfaceName
  public var side: Side

  public init(_ name: InterfaceName, on side: Side) {
    self.name = name
    self.side = side
  }
}

/// A link as the kernel describes it.
public struct LinkInfo: Equatable, Sendable {
  public var name: InterfaceName
  public var index: Int32
  /// `veth`, `bridge`, `macvlan` …; `nil` for hardware and loopback.
  public var kind: String?
  /// Largest packet, in bytes.
  public var mtu: Int
  public var mac: MACAddress?
  public var isUp = false
  public var isLoopback = false
  public var isPromiscuous = false
  /// Takes every multicast packet.
  public var isAllMulticast = false
  /// How many packets may wait to be sent.
  public var txQueueLength = 0
  /// Whether packets pass: `operstate` is up, or the kind of link does not tell.
  public var isRunning = false
  /// What `ip link set alias` wrote; we write an owner's tag there.
  public var alias: String?
  /// The link group (`ip link set group`); 0 unless somebody chose one.
  public var group = 0
  /// The bridge it is a port of, the VRF it belongs to.
  public var master: Int32?
  /// The other end of a veth, the parent of a macvlan; it may be in another namespace.
  public var peer: Int32?
  /// The namespace that `peer` is in, by its number here; `nil` where it is this one.
  public var peerNamespace: Int32?
  /// Whether a bridge keeps VLANs apart; `nil` for anything but a bridge.
  public var filtersVLANs: Bool?
  /// Whether a bridge's MAC address was set by a user and does not follow its ports (`addr_assign_type` 3).
  ///
  /// `nil` for anything but a bridge, or if sysfs does not show this namespace.
  public var keepsMAC: Bool?
  /// Settings as a bridge's port; `nil` where it is none.
  public var port: BridgePort?
  /// What it is to its parent; `nil` where it has none.
  public var upper: UpperLink?
  /// Settings of a VXLAN device, all of them told; `peer` is the link that its packets leave by, if it has one.
  public var vxlan: VXLAN?
  /// A VRF's routing table; `nil` for anything else.
  public var vrfTable: Int?

  public init(name: InterfaceName, index: Int32, kind: String? = nil, mtu: Int = 1500, mac: MACAddress? = nil) {
    self.name = name
    self.index = index
    self.kind = kind
    self.mtu = mtu
    self.mac = mac
  }
}

/// Settings of a bridge's port; `nil` leaves one as it is.
public struct BridgePort: Equatable, Sendable {
  /// Frames may leave by the port they came in.
  public var hairpin: Bool?
  /// No frames to other isolated ports.
  public var isolated: Bool?
  /// Addresses are learnt from arriving frames.
  public var learning: Bool?
  /// ARP and neighbour discovery are answered from the bridge's own tables.
  public var neighSuppress: Bool?
  /// Only frames from addresses that the bridge knows behind the port pass; `nil` of a port: the kernel (before 5.18)
  /// has no such setting, and ignores it.
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

/// A link to be made.
public struct LinkSpec: Equatable, Sendable {
  public enum Kind: Equatable, Sendable {
    /// A bridge without spanning tree.
    case bridge(filtersVLANs: Bool)
    /// A pair; the link itself is on the host, its peer in the container unless it says otherwise.
    case veth(peer: Peer)
    /// A link on top of that one.
    case upper(UpperLink, over: LinkPlace)
    /// A link that leads nowhere.
    case dummy
    /// A tunnel to other hosts, on this one; its packets leave by the link named, or as the routes say.
    case vxlan(VXLAN, over: InterfaceName?)
    /// A VRF: links that it is the master of find routes in that table alone.
    case vrf(table: Int)
  }

  /// How many addresses a bridge that we make learns at most, where the kernel (from 6.7 on) counts them.
  ///
  /// Frames to others go to all its ports.
  public static let mostLearned = 4096

  public struct Peer: Equatable, Sendable {
    public var name: InterfaceName
    public var mac: MACAddress?
    public var side: Side
    public init(name: InterfaceName, mac: MACAddress? = nil, side: Side = .container) {
      self.name = name
      self.mac = mac
      self.side = side
    }
  }

  public var name: InterfaceName
  public var kind: Kind
  /// `nil`: the kernel draws one.
  public var mac: MACAddress?
  /// Largest packet, in bytes, on both ends of a pair; `nil`: the kernel's default.
  public var mtu: Int?
  /// The link group that it appears in, of a pair the link itself; `nil`: the kernel's default, 0.
  public var group: Int?
  /// A bridge's from the moment it has its name.
  public var alias: String?
  /// Where it is to be; bridges and pairs are on the host.
  public var side: Side

  public init(
    _ name: InterfaceName, kind: Kind, mac: MACAddress? = nil, mtu: Int? = nil, group: Int? = nil,
    alias: String? = nil, on side: Side = .host
  ) {
    self.name = name
    self.kind = kind
    self.mac = mac
    self.mtu = mtu
    self.group = group
    self.alias = alias
    self.side = side
  }

  public var place: LinkPlace { LinkPlace(name, on: side) }
}

extension InterfaceName {
  /// The name of a link on its way to this one, where the kernel does not let it have that at once.
  public var passing: InterfaceName {
    guard let name = InterfaceName("cn\(Owner.shortHash(description))") else {
      preconditionFailure("15 letters and digits are an interface name")
    }
    return name
  }
}

/// What to change of a link; `nil` leaves it as it is.
public struct LinkChange: Equatable, Sendable {
  public var isUp: Bool?
  public var isPromiscuous: Bool?
  public var isAllMulticast: Bool?
  public var mtu: Int?
  /// How many packets may wait to be sent.
  public var txQueueLength: Int?
  public var mac: MACAddress?
  public var alias: String?
  public var group: Int?
  /// The bridge to become a port of, or the VRF to belong to.
  public var master: InterfaceName?
  public var port = BridgePort()
  /// The address that a VXLAN device's packets leave with.
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
