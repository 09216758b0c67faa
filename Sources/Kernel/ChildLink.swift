public import NetTypes

/// A link with a parent, whose hardware several such links share.
public enum ChildLink: Equatable, Sendable {
  /// A link with its own MAC address.
  case macvlan(Macvlan)
  /// A link with the parent's MAC address.
  case ipvlan(IPVLAN)
  /// The frames with this IEEE 802.1Q VLAN ID, 0 to 4094.
  case vlan(Int)

  /// The kernel's name of the kind.
  public var kind: String {
    switch self {
    case .macvlan: "macvlan"
    case .ipvlan: "ipvlan"
    case .vlan: "vlan"
    }
  }
}

/// Settings of a macvlan link, `ip-link(8)`.
public struct Macvlan: Equatable, Sendable {
  public enum Mode: Equatable, Sendable {
    /// Links of one parent reach each other directly.
    case bridge
    /// Links of one parent do not reach each other, even if a switch sends their frames back.
    case `private`
    /// Links of one parent reach each other if a switch sends their frames back.
    case vepa
    /// A single link, which receives all frames of its parent.
    case passthru
    /// Only frames from these MAC addresses are received.
    case source([MACAddress])
  }

  public var mode: Mode
  /// The length of the parent's queue for broadcast frames, for all its links; `nil`: unchanged.
  public var broadcastQueue: Int?

  public init(_ mode: Mode, broadcastQueue: Int? = nil) {
    self.mode = mode
    self.broadcastQueue = broadcastQueue
  }
}

/// Settings of an ipvlan link, `Documentation/networking/ipvlan.rst`; all links of a parent have the same mode.
public struct IPVLAN: Equatable, Sendable {
  public enum Mode: String, CaseIterable, Sendable {
    /// The links share an Ethernet segment: ARP and broadcasts work.
    case l2
    /// The host's routes are used; no ARP, no broadcasts.
    case l3
    /// As `l3`, and the host's packet filter sees the packets.
    case l3s
  }

  public enum Flag: String, CaseIterable, Sendable {
    case bridge
    case `private`
    case vepa
  }

  public var mode: Mode
  public var flag: Flag

  public init(_ mode: Mode, _ flag: Flag = .bridge) {
    self.mode = mode
    self.flag = flag
  }
}

extension Macvlan.Mode: CustomStringConvertible {
  public var description: String {
    switch self {
    case .bridge: "bridge"
    case .private: "private"
    case .vepa: "vepa"
    case .passthru: "passthru"
    case .source(let allowed): "source \(allowed.map { $0.description }.joined(separator: ","))"
    }
  }
}

extension ChildLink: CustomStringConvertible {
  public var description: String {
    switch self {
    case .macvlan(let macvlan):
      "macvlan \(macvlan.mode)\(macvlan.broadcastQueue.map { " bcqueuelen \($0)" } ?? "")"
    case .ipvlan(let ipvlan): "ipvlan \(ipvlan.mode.rawValue) \(ipvlan.flag.rawValue)"
    case .vlan(let id): "vlan \(id)"
    }
  }
}
