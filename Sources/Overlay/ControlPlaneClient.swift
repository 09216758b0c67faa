public import CNI
public import NetTypes
public import PacketFilter

/// The control plane of a network, as the plugin uses it.
///
/// `EtcdControlPlane` implements it with etcd and files; tests use a fake.
public protocol ControlPlaneClient {
  /// Reads the peers from a file: a list, or an object with the key `peers`.
  ///
  /// - Throws: code 7 naming the file if it is missing or holds no such list.
  func peers(inFile path: String) throws(CNIError) -> [OverlayPeer]

  /// Reads the network's state from etcd; ADD also registers this host and, in mode l3, leases a subnet for it.
  ///
  /// ADD calls `check` with the state before it writes; if `check` throws, nothing is changed.
  ///
  /// - Throws: code 11 if etcd has no quorum (nothing is changed); 7 if etcd has another configuration of the network;
  ///   51 for STATUS if this host's lease has expired.
  func consult(
    _ plane: EtcdPlaneConfig, of network: NetworkName, as host: OverlayHost, for command: Command,
    _ check: (ControlPlaneState) throws(CNIError) -> Void
  ) throws(CNIError) -> ControlPlaneState

  /// Publishes a container to the network's other hosts.
  func publish(
    _ container: PublishedContainer, of owner: AttachmentID, _ plane: EtcdPlaneConfig, as host: OverlayHost
  ) throws(CNIError)

  /// Withdraws a container's entries; no-op if none were published, or if another host has published them since.
  ///
  /// The entries to withdraw are those that `publish` recorded on disk.
  func withdraw(_ owner: AttachmentID, _ plane: EtcdPlaneConfig) throws(CNIError)

  /// Withdraws the entries of attachments that no longer exist; if no attachment is valid, this host leaves the network.
  func collectGarbage(
    of network: NetworkName, _ plane: EtcdPlaneConfig, valid: Set<ValidAttachments.Attachment>
  ) throws(CNIError)

  /// Whether a process on this host watches the network in etcd and updates the tunnel tables.
  func isWatched(_ network: NetworkName) -> Bool

  /// What the network's tables on this host were written from; `nil` if that is not known.
  func writtenTables(of network: NetworkName) -> WrittenTables?

  /// Records what the tables were written from; without a record the next ADD reads everything.
  func record(_ tables: WrittenTables, of network: NetworkName)

  /// Deletes that record; no-op if there is none.
  func forgetTables(of network: NetworkName)

  /// What etcd has now for that source, if its entries are still the same and this host's is complete; else `nil`.
  ///
  /// One request for one key if nothing at all was written, else two.
  ///
  /// - Throws: code 11 if etcd has no quorum.
  func unchangedSource(
    since source: WrittenTables.Source, _ plane: EtcdPlaneConfig, of network: NetworkName, as host: OverlayHost
  ) throws(CNIError) -> WrittenTables.Source?

  /// The hash of a peers file's content; `nil` if it cannot be read.
  func hash(ofFile path: String) -> UInt64?
}

extension ControlPlaneClient {
  public func writtenTables(of network: NetworkName) -> WrittenTables? { nil }
  public func record(_ tables: WrittenTables, of network: NetworkName) {}
  public func forgetTables(of network: NetworkName) {}
  public func unchangedSource(
    since source: WrittenTables.Source, _ plane: EtcdPlaneConfig, of network: NetworkName, as host: OverlayHost
  ) -> WrittenTables.Source? { nil }
  public func hash(ofFile path: String) -> UInt64? { nil }
}

/// What other hosts learn of a container.
public struct PublishedContainer: Equatable, Sendable {
  /// Its addresses, in mode l2.
  public var endpoints: [OverlayEndpoint]
  /// Its addresses and labels, in mode l3, if it has labels.
  public var labelled: [FarMember]

  public init(endpoints: [OverlayEndpoint] = [], labelled: [FarMember] = []) {
    self.endpoints = endpoints
    self.labelled = labelled
  }

  public var isEmpty: Bool { endpoints.isEmpty && labelled.isEmpty }
}

/// This host as the network's other hosts see it.
public struct OverlayHost: Equatable, Sendable {
  public var mode: OverlayMode
  /// Its underlay address.
  public var local: IPAddress
  /// `nil`: derived from `local`.
  public var vtepMAC: MACAddress?
  /// `vni`, `port` and `network` are those of the configuration; if `nil` or empty, the values in etcd are used.
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

/// How packets travel between hosts: bridged or routed.
public enum OverlayMode: String, CaseIterable, Sendable, CustomStringConvertible {
  /// One subnet on all hosts: Ethernet frames are bridged.
  case l2
  /// One subnet for each host: IP packets are routed.
  case l3

  public var description: String { rawValue }
}
