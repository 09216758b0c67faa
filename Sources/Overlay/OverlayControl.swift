public import CNI
public import NetTypes

/// What the plugin asks of those who know a network's other hosts.
///
/// `OverlayEtcd` implements it with etcd and files; tests use a fake.
public protocol OverlayControl {
  /// The peers in a file: a list, or an object with the key `peers`.
  ///
  /// - Throws: code 7 naming the file where it is missing or is no such list.
  func peers(inFile path: String) throws(CNIError) -> [OverlayPeer]

  /// What etcd knows of the network; ADD also registers this host there, and leases a subnet for it in mode l3.
  ///
  /// `check` refuses what ADD is about to write: nothing is changed then.
  ///
  /// - Throws: code 11 where no quorum answers, and nothing was changed; 7 where the network is configured otherwise
  ///   there; for STATUS 51 where this host's lease has ended.
  func consult(
    _ plane: EtcdPlaneConfig, of network: NetworkName, as host: OverlayHost, for command: Command,
    _ check: (OverlayKnowledge) throws(CNIError) -> Void
  ) throws(CNIError) -> OverlayKnowledge

  /// Tells the network's other hosts of a container, in mode l2.
  func publish(
    _ endpoints: [OverlayEndpoint], of owner: Owner, _ plane: EtcdPlaneConfig, as host: OverlayHost
  ) throws(CNIError)

  /// Takes that back; nothing happens where it was not told, or where another host has told it since.
  ///
  /// Who this host is was remembered when it registered.
  func withdraw(_ owner: Owner, _ plane: EtcdPlaneConfig) throws(CNIError)

  /// Takes back what was told of attachments that are no more; with none left this host leaves the network.
  func collectGarbage(
    of network: NetworkName, _ plane: EtcdPlaneConfig, valid: Set<ValidAttachments.Attachment>
  ) throws(CNIError)

  /// Whether somebody on this host follows what the network's other hosts tell, so that it does not go stale.
  func isWatched(_ network: NetworkName) -> Bool
}

/// This host as its network's others know it.
public struct OverlayHost: Equatable, Sendable {
  public var mode: OverlayMode
  /// Its address in the network below.
  public var local: IPAddress
  /// `nil`: derived from `local`.
  public var vtepMAC: MACAddress?
  /// As the configuration has them; `nil`, empty: as etcd has them.
  public var vni: Int?
  public var port: UInt16?
  public var network: [IPPrefix]

  public init(
    _ mode: OverlayMode, local: IPAddress, vtepMAC: MACAddress? = nil, vni: Int? = nil, port: UInt16? = nil,
    network: [IPPrefix] = []
  ) {
    self.mode = mode
    self.local = local
    self.vtepMAC = vtepMAC
    self.vni = vni
    self.port = port
    self.network = network
  }
}

/// What of the network spans hosts.
public enum OverlayMode: String, CaseIterable, Sendable {
  /// One subnet: frames are carried.
  case l2
  /// A subnet for each host: packets are routed.
  case l3
}
