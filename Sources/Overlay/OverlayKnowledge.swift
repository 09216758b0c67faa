public import NetTypes

/// What a control plane knows of a network, beyond what its configuration says.
public struct OverlayKnowledge: Equatable, Sendable {
  /// The subnets of this host's containers, in mode l3; empty: as `ipam` has them.
  public var ownSubnets: [IPPrefix] = []
  /// All of the network; empty: as the configuration has it.
  public var network: [IPPrefix] = []
  /// `nil`: as the configuration has them.
  public var vni: Int?
  public var port: UInt16?
  public var isDirectRouting: Bool?
  /// The hardware address by which others know this host's VXLAN device; `nil`: as the configuration has it.
  public var vtepMAC: MACAddress?
  /// All other hosts; never this one.
  public var peers: [OverlayPeer] = []

  public init() {}
}
