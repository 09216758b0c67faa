public import CNI
public import Etcd
public import EtcdRecords
public import Kernel
import Linux
public import NetTypes
import PacketFilter

/// The back-ends of a network's containers in etcd, through which its hosts share them.
///
/// The key `PREFIX/services/NETWORK/CONTAINER:INTERFACE` has the value `{"node": …, "backEnds": […]}`.
public struct SharedServices {
  public let network: NetworkName
  private let records: SharedRecords<BackEndRecord>
  /// The directory of the lease and the lock.
  private let directory: String

  public static let defaultPrefix = "/swift-cni"

  /// - Parameters:
  ///   - config: the key `etcd`.
  ///   - network: the network.
  ///   - state: the directory of the state of all networks.
  ///   - warn: called with what was left out and why.
  /// - Throws: code 7 if this host has no usable name.
  public init(
    _ config: SharingConfig, of network: NetworkName, state: String = StatePaths.services,
    warn: @escaping (String) -> Void
  ) throws(CNIError) {
    self.network = network
    directory = "\(state)/\(network)"
    records = try SharedRecords(
      below: "\(config.prefix ?? Self.defaultPrefix)/services", of: network, config, warn: warn)
  }

  /// The range to watch.
  public var keys: EtcdKeys { records.keys }

  /// As `SharedRecords.isByOthers`.
  public func isByOthers(_ event: EtcdEvents.Event) -> Bool { records.isByOthers(event) }

  /// Renews and returns this host's lease.
  ///
  /// - Throws: code 11 if no quorum answers; then nothing is changed.
  public func lease<Store: EtcdStore & ~Copyable>(_ store: inout Store) throws(CNIError) -> EtcdLease {
    try records.lease(&store, recordedIn: directory)
  }

  /// Publishes the back-ends of a new attachment, whose rules are recorded, and adds rules for those of other hosts.
  ///
  /// - Throws: code 11 if no quorum answers, or if another host has the service with other values.
  public func join<Store: EtcdStore & ~Copyable, K: Kernel & ~Copyable>(
    _ owner: AttachmentID, _ store: inout Store, on lease: EtcdLease, _ kernel: inout K
  ) throws(CNIError) {
    let lock = try lock()
    defer { _ = lock }
    let local = try localRecords(&kernel)
    guard let own = local.first(where: { $0.owner == owner }) else {
      throw CNIError(.tryAgainLater, "publish \(owner.attachment): its rules have been removed by another process")
    }
    let others = try records.exchange(&store, joining: own, local: local, on: lease)
    for other in others { if let conflict = own.conflict(with: other) { throw conflict } }
    try apply(others, beside: local, &kernel)
  }

  /// Deletes the key of an attachment that has left, and updates the rules for the back-ends of other hosts.
  ///
  /// - Throws: code 11 if no quorum answers.
  public func leave<Store: EtcdStore & ~Copyable, K: Kernel & ~Copyable>(
    _ owner: AttachmentID, _ store: inout Store, _ kernel: inout K
  ) throws(CNIError) {
    let lock = try lock()
    defer { _ = lock }
    try update(&store, &kernel) { (store) throws(CNIError) in try records.withdraw(owner, from: &store) }
  }

  /// Deletes the keys of this host's attachments that are not in `valid`, and updates the rules as `leave` does.
  public func collectGarbage<Store: EtcdStore & ~Copyable, K: Kernel & ~Copyable>(
    except valid: Set<AttachmentID>, _ store: inout Store, _ kernel: inout K
  ) throws(CNIError) {
    let lock = try lock()
    defer { _ = lock }
    try update(&store, &kernel) { (store) throws(CNIError) in try records.withdrawAll(except: valid, from: &store) }
  }

  /// Puts back keys that etcd lost, deletes those without an attachment, and updates the rules for the back-ends of other
  /// hosts.
  ///
  /// - Returns: whether rules were changed.
  /// - Throws: code 11 if no quorum answers; then no rule is changed.
  public func refresh<Store: EtcdStore & ~Copyable, K: Kernel & ~Copyable>(
    from store: inout Store, _ kernel: inout K
  ) throws(CNIError) -> Bool {
    guard try !localRecords(&kernel).isEmpty else { return false }
    let lease = try lease(&store)
    let lock = try lock()
    defer { _ = lock }
    let local = try localRecords(&kernel)
    // etcd may carry out the write of a refused ADD as soon as it has a quorum again.
    try records.withdrawAll(except: Set(local.map { $0.owner }), from: &store)
    return try apply(
      records.exchange(&store, joining: nil, local: local, on: lease), beside: local, &kernel)
  }

  /// How the attachment's key in etcd differs from its recorded back-ends.
  public func differences<Store: EtcdStore & ~Copyable, K: Kernel & ~Copyable>(
    of owner: AttachmentID, in store: inout Store, _ kernel: inout K
  ) throws(CNIError) -> [String] {
    let ruleSet = try convertingErrors { () throws(KernelError) in try kernel.filter.ruleSet(of: owner, .services) }
    guard let wanted = ruleSet.flatMap({ BackEndRecord($0, node: records.node) }) else {
      return ["there is no record of the back-ends"]
    }
    return try records.differences(from: wanted, in: &store)
  }

  /// Reads a key, for STATUS.
  ///
  /// - Throws: why ADD could not use etcd now.
  public func probe<Store: EtcdStore & ~Copyable>(_ store: inout Store) throws(CNIError) { try records.probe(&store) }
}

extension SharedServices {
  private static let secondsToWait = 30

  /// Applies what hosts have shared one after another, so that no older state replaces a newer one.
  private func lock() throws(CNIError) -> FileLock {
    try convertingErrors { () throws(KernelError) in
      try Files.makeDirectories(directory)
      return try FileLock(
        .openLock("\(directory)/.lock"), seconds: Self.secondsToWait, doing: "lock \(directory)/.lock")
    }
  }

  private func localRecords<K: Kernel & ~Copyable>(_ kernel: inout K) throws(CNIError) -> [BackEndRecord] {
    let ruleSets = try convertingErrors { () throws(KernelError) in try kernel.filter.ruleSets(of: network) }
    return ruleSets.compactMap { BackEndRecord($0, node: records.node) }
  }

  /// Withdraws keys, and updates the rules; without a container here, there are none, whether etcd answers or not.
  private func update<Store: EtcdStore & ~Copyable, K: Kernel & ~Copyable>(
    _ store: inout Store, _ kernel: inout K, after withdraw: (inout Store) throws(CNIError) -> Void
  ) throws(CNIError) {
    let local = try localRecords(&kernel)
    if local.isEmpty { try apply([], beside: local, &kernel) }
    try withdraw(&store)
    if !local.isEmpty { try apply(records.others(in: &store), beside: local, &kernel) }
  }

  /// Replaces the rules for the back-ends of other hosts.
  ///
  /// - Returns: whether they are others than before.
  @discardableResult
  private func apply<K: Kernel & ~Copyable>(
    _ others: [BackEndRecord], beside local: [BackEndRecord], _ kernel: inout K
  ) throws(CNIError) -> Bool {
    let far = FarBackEnds(beside: local.flatMap { $0.backEnds }, others, warn: records.warn).backEnds
    let owner = AttachmentID.farBackEnds(of: network)
    return try convertingErrors { () throws(KernelError) in
      let old = try kernel.filter.ruleSet(of: owner, .services)?.backEnds ?? []
      if far.isEmpty {
        try kernel.filter.remove(owner, .services, everywhere: false)
      } else {
        try kernel.filter.set(RuleSet(owner, .services, far.map { .balance($0) }, backend: .nftables))
      }
      let gone = old.filter { !far.contains($0) }.compactMap { $0.trackedConnections }
      if !gone.isEmpty { try kernel.apply(.deleteConntrackEntries(Set(gone))) }
      return old != far
    }
  }
}
