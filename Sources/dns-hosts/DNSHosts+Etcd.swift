import CNI
import Etcd
import Names
import NetTypes
import PluginKit

/// The names of one network as its hosts share them, with what they are shared through.
struct OpenNames: ~Copyable {
  private let names: SharedNames
  private var store: any EtcdStore & ~Copyable
  /// This host's; `nil` for a command that tells nothing.
  private var lease: EtcdLease?

  init(_ names: SharedNames, in store: consuming any EtcdStore & ~Copyable) {
    self.names = names
    self.store = store
  }
}

extension OpenNames {
  /// Begins the time of this host's lease, for an ADD.
  ///
  /// - Throws: code 11 where no quorum answers; nothing is changed then.
  mutating func holdLease(notedIn state: StateDirectory) throws(CNIError) {
    lease = try names.lease(&store, notedIn: state)
  }

  /// As `SharedNames.exchange`, for a container that joins.
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
  /// `nil` for a network whose names stay on this host.
  func open(_ network: NetworkName, _ config: Config, isJoining: Bool = false) throws(CNIError) -> OpenNames? {
    guard let etcd = config.etcd else { return nil }
    let names = try SharedNames(etcd, of: network, warn: { warn($0) })
    var open = OpenNames(names, in: try connect(etcd.etcd))
    if isJoining { try open.holdLease(notedIn: StateDirectory(config.stateDir)) }
    return open
  }

  /// Tells the other hosts of an attachment that has joined, and the containers here of those on other hosts.
  func meet(_ member: Member, _ names: borrowing NetworkNames, _ shared: inout OpenNames?) throws(CNIError) {
    let local = shared == nil ? [] : try translating { () throws(KernelError) in try names.members() }
    let remote = try shared?.exchange(member, local: local) ?? []
    try translating { () throws(KernelError) in _ = try names.tell(of: remote) }
  }
}
