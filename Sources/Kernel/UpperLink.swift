public import NetTypes

/// A link on top of another, its parent: what makes the frames of many links out of one link's.
public enum UpperLink: Equatable, Sendable {
  /// An Ethernet link of its own, with its own hardware address.
  case macvlan(Macvlan)
  /// Shares the parent's hardware address.
  case ipvlan(IPVLAN)
  /// The frames that carry this IEEE 802.1Q identifier, 0 to 4094.
  case vlan(Int)

  /// As the kernel calls it.
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
    /// They do not, even if a switch sends their frames back.
    case `private`
    /// They do if a switch sends their frames back.
    case vepa
    /// One link alone, which gets everything of its parent.
    case passthru
    /// Only frames from these addresses come in.
    case source([MACAddress])
  }

  public var mode: Mode
  /// How many broadcast frames may wait on the parent, for all its links; `nil`: as it is.
  public var broadcastQueue: Int?

  public init(_ mode: Mode, broadcastQueue: Int? = nil) {
    self.mode = mode
    self.broadcastQueue = broadcastQueue
  }
}

/// Settings of an ipvlan link, `Documentation/networking/ipvlan.rst`; the mode is the parent's, for all its links.
public struct IPVLAN: Equatable, Sendable {
  public enum Mode: String, CaseIterable, Sendable {
    /// As on one Ethernet: ARP and broadcasts work.
    case l2
    /// The host's routes lead out; no ARP, no broadcasts.
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
    case .source(let allowed): "source \(allowed.map(\.description).joined(separator: ","))"
    }
  }
}

extension UpperLink: CustomStringConvertible {
  public var description: String {
    switch self {
    case .macvlan(let macvlan):
      "macvlan \(macvlan.mode)\(macvlan.broadcastQueue.map { " bcqueuelen \($0)" } ?? "")"
    case .ipvlan(let ipvlan): "ipvlan \(ipvlan.mode) \(ipvlan.flag)"
    case .vlan(let id): "vlan \(id)"
    }
  }
}
