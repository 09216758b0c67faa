import CNI
import Etcd
import Names
import NetTypes
import PluginKit

/// The names of one network in etcd, with the connection to etcd.
struct OpenNames: ~Copyable {
  private let names: SharedNames
  private var store: any EtcdStore & ~Copyable
  /// This host's lease; `nil` for a command that puts no names.
  private var lease: EtcdLease?

  init(_ names: SharedNames, in store: consuming any EtcdStore & ~Copyable) {
    self.names = names
    self.store = store
  }
}

extension OpenNames {
  /// Renews this host's etcd lease, for ADD.
  ///
  /// - Throws: code 11 if no quorum answers; then nothing is changed.
  mutating func holdLease(notedIn state: StateDirectory) throws(CNIError) {
    lease = try names.lease(&store, notedIn: state)
  }

  /// As `SharedNames.exchange`, for the attachment of an ADD; no names if there is no lease.
  mutating func exchange(_ member: Member, local: [Member]) throws(CNIError) -> [RemoteMember] {
    guard let lease else { return [] }
    return try names.exchange(&store, joining: member, local: local, on: lease)
  }

  mutating func withdraw(_ owner: Owner) throws(CNIError) { try names.withdraw(owner, from: &store) }

  mutating func withdrawAll(but valid: Set<Owner>) throws(CNIError) {
    try names.withdrawAll(but: valid, from: &store)
  }

  mutating func differences(from wanted: Member) throws(CNIError) -> [String] {
    try names.differences(from: wanted, in: &store)
  }

  mutating func probe() throws(CNIError) { try names.probe(&store) }
}

extension DNSHosts {
  /// Connects to etcd; `nil` for a network whose names stay on this host.
  func open(_ network: NetworkName, _ config: Config, isJoining: Bool = false) throws(CNIError) -> OpenNames? {
    guard let etcd = config.etcd else { return nil }
    let names = try SharedNames(etcd, of: network, warn: { warn($0) })
    var open = OpenNames(names, in: try connect(etcd.etcd))
    if isJoining { try open.holdLease(notedIn: StateDirectory(config.stateDir)) }
    return open
  }

  /// Puts the new attachment into etcd, and writes the names of other hosts to this host's files.
  func meet(_ member: Member, _ names: borrowing NetworkNames, _ shared: inout OpenNames?) throws(CNIError) {
    let local = shared == nil ? [] : try translating { () throws(KernelError) in try names.members() }
    let remote = try shared?.exchange(member, local: local) ?? []
    try translating { () throws(KernelError) in _ = try names.tell(of: remote) }
  }
}
