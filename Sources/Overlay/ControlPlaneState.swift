public import NetTypes
public import PacketFilter

/// What a control plane knows about a network in addition to the configuration.
public struct ControlPlaneState: Equatable, Sendable {
  /// The subnets of this host's containers, in mode l3; empty: `ipam` decides.
  public var ownSubnets: [IPPrefix] = []
  /// The network's prefixes on all hosts; empty: those of the configuration.
  public var network: [IPPrefix] = []
  /// `nil`: the value of the configuration; the same for `port` and `isDirectRouting`.
  public var vni: Int?
  public var port: UInt16?
  public var isDirectRouting: Bool?
  /// The MAC address that other hosts use for this host's VXLAN device; `nil`: that of the configuration.
  public var vtepMAC: MACAddress?
  /// All other hosts; never this one.
  public var peers: [OverlayPeer] = []
  /// The containers on other hosts that have labels; `nil` if they were not read.
  public var members: [FarMember]?
  /// What an ADD has read this from; `nil`: nothing that a later ADD could find unchanged.
  public var source: WrittenTables.Source?

  public init() {}
}
