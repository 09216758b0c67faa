public import CNI
import Etcd
import Linux
import NetTypes

extension EtcdControlPlane where Store: ~Copyable {
  public func writtenTables(of network: NetworkName) -> WrittenTables? { records.tables(network) }

  public func record(_ tables: WrittenTables, of network: NetworkName) { records.save(tables, of: network) }

  public func forgetTables(of network: NetworkName) { records.forgetTables(of: network) }

  public func hash(ofFile path: String) -> UInt64? {
    do throws(KernelError) { return FNV1a(try Files.read(path)).mixed } catch { return nil }
  }

  public func unchangedSource(
    since source: WrittenTables.Source, _ plane: EtcdPlaneConfig, of network: NetworkName, as host: OverlayHost
  ) throws(CNIError) -> WrittenTables.Source? {
    guard case .etcd(let revision, let cluster, let count) = source else { return nil }
    let entry = HostEntry(control: self, plane: plane, network: network, host: host)
    guard let record = try entry.record(), record.local == host.local, entry.needsNoRenewal(record) else { return nil }
    var store = try open(plane.etcd)
    let own = try store.transact(EtcdTransaction([.read(.one(record.key))]))
    guard own.cluster == cluster, own.revision >= revision,
      own.readResults.first?.first.map({ $0.lease == record.lease }) == true
    else { return nil }
    if own.revision == revision { return source }
    // Something was written, perhaps of another network.
    let keys = NetworkView.keys(plane.prefix, host.mode, withContainers: readsContainers(of: network, host.mode))
    let changes = try store.transact(EtcdTransaction(keys.map { .readChanges($0, since: revision) }))
    guard changes.cluster == cluster, changes.readResults.allSatisfy({ $0.isEmpty }),
      changes.keyCounts.reduce(0, +) == count
    else { return nil }
    return .etcd(revision: changes.revision, cluster: cluster, keys: count)
  }
}

extension HostEntry where Store: ~Copyable {
  fileprivate func needsNoRenewal(_ record: HostRecord) -> Bool {
    record.lease == nil ? record.leaseSeconds == 0 : record.isFresh(renewal, at: control.now())
  }
}

extension NetworkView {
  /// What a later ADD compares with etcd.
  var source: WrittenTables.Source {
    .etcd(revision: revision, cluster: cluster, keys: keyCount)
  }
}
