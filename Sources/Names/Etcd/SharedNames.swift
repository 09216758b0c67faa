public import CNI
public import Etcd
public import EtcdRecords
import NetTypes

/// The names of a network's containers in etcd, through which its hosts share them.
///
/// The key `PREFIX/NETWORK/CONTAINER:INTERFACE` has the value `{"node": …, "ips": […], "names": […]}`, with
/// `services` if the container is a back-end.
public struct SharedNames {
  private let records: SharedRecords<RemoteMember>

  public static let defaultPrefix = "/swift-cni/names"

  /// - Throws: code 7 if this host has no usable name.
  public init(
    _ config: SharingConfig, of network: NetworkName, warn: @escaping (String) -> Void = { _ in }
  ) throws(CNIError) {
    records = try SharedRecords(below: config.prefix ?? Self.defaultPrefix, of: network, config, warn: warn)
  }

  private func record(_ member: Member) -> RemoteMember { RemoteMember(member, node: records.node) }

  /// The range to watch.
  public var keys: EtcdKeys { records.keys }

  /// As `SharedRecords.isByOthers`.
  public func isByOthers(_ event: EtcdEvents.Event) -> Bool { records.isByOthers(event) }

  /// Renews and returns this host's lease: the recorded one, or a new one if that has expired.
  ///
  /// - Throws: code 11 if no quorum answers; then nothing is changed.
  public func lease<Store: EtcdStore & ~Copyable>(
    _ store: inout Store, recordedIn state: StateDirectory
  ) throws(CNIError) -> EtcdLease {
    try records.lease(&store, recordedIn: state.directory(of: records.network))
  }

  /// As `SharedRecords.exchange`.
  public func exchange<Store: EtcdStore & ~Copyable>(
    _ store: inout Store, joining: Member?, local: [Member], on lease: EtcdLease
  ) throws(CNIError) -> [RemoteMember] {
    try records.exchange(&store, joining: joining.map(record), local: local.map(record), on: lease)
  }

  /// As `SharedRecords.withdraw`.
  public func withdraw<Store: EtcdStore & ~Copyable>(_ owner: AttachmentID, from store: inout Store) throws(CNIError) {
    try records.withdraw(owner, from: &store)
  }

  /// As `SharedRecords.withdrawAll`.
  public func withdrawAll<Store: EtcdStore & ~Copyable>(
    except valid: Set<AttachmentID>, from store: inout Store
  ) throws(CNIError) {
    try records.withdrawAll(except: valid, from: &store)
  }

  /// How the attachment's key in etcd differs from the wanted value.
  public func differences<Store: EtcdStore & ~Copyable>(
    from wanted: Member, in store: inout Store
  ) throws(CNIError) -> [String] {
    try records.differences(from: record(wanted), in: &store)
  }

  /// Reads a key, for STATUS.
  ///
  /// - Throws: why ADD could not use etcd now.
  public func probe<Store: EtcdStore & ~Copyable>(_ store: inout Store) throws(CNIError) {
    try records.probe(&store)
  }
}
