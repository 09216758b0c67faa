import CNI
import Etcd
import EtcdRecords
import Kernel
import Linux
import NetTypes
import PluginKit

/// The plugin `portmap`: a chained plugin that takes floating addresses in etcd, if the network's hosts share them.
struct PortmapPlugin<Host: Kernel & ~Copyable, Store: EtcdStore & ~Copyable>: Plugin {
  typealias Config = PortmapConfig

  static var name: String { PortmapDriver.name }
  static var namespaceRule: NamespaceRule { .any }

  static func partialConfig(_ configuration: JSONValue) -> Config? {
    Config.partialConfig(JSONReader(configuration))
  }

  private let host: ChainedPlugin<PortmapDriver, Host>
  private let connect: (EtcdConfig) throws(CNIError) -> Store
  /// The directory of the leases and locks.
  private let state: String

  init(
    connect: @escaping (EtcdConfig) throws(CNIError) -> Store, state: String = StatePaths.floating,
    on openKernel: @escaping () throws(KernelError) -> Host
  ) {
    host = ChainedPlugin(PortmapDriver(), on: openKernel)
    self.connect = connect
    self.state = state
  }

  func checkSettings(_ call: Call<Config>) throws(CNIError) { try host.checkSettings(call) }

  func add(_ call: Call<Config>, commit: Commit) throws(CNIError) {
    let requests = try requests(call)
    guard let config = call.config.etcd, !requests.isEmpty, !call.isDryRun else {
      return try host.add(call, commit: commit)
    }
    let shared = try shared(config, call.owner.network)
    var store = try connect(config.etcd)
    // Before any change: if another host has an address, or etcd does not answer, there is nothing to roll back.
    let lock = try shared.lock()
    defer { _ = lock }
    let taken = try shared.take(requests, for: call.owner, in: &store)
    do throws(CNIError) {
      try host.add(call) { (result) throws(CNIError) in
        // A host that takes it from now on is noticed by this one, which has recorded it.
        guard try shared.has(requests, for: call.owner, in: &store) else {
          throw CNIError(.portInUse, "a floating address was taken by another host meanwhile")
        }
        try commit(result)
      }
    } catch {
      do throws(CNIError) { try shared.restore(taken, of: call.owner, in: &store) } catch {
        warn("not rolled back: \(error)")
      }
      throw error
    }
  }

  private func requests(_ call: Call<Config>) throws(CNIError) -> [SharedFloatingAddresses.Request] {
    try PortmapSettings(call.config).floatingIPs.map { SharedFloatingAddresses.Request($0.address, moves: $0.moves) }
  }

  func check(_ call: Call<Config>) throws(CNIError) {
    var problems: [CNIError] = []
    attempt(&problems) { () throws(CNIError) in try host.check(call) }
    if let config = call.config.etcd {
      attempt(&problems) { () throws(CNIError) in
        let addresses = try requests(call).map { $0.address }
        guard !addresses.isEmpty else { return }
        var store = try connect(config.etcd)
        let found = try shared(config, call.owner.network).differences(addresses, of: call.owner, in: &store)
        if !found.isEmpty { throw CNIError(.differences, found.joined(separator: "; ")) }
      }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  func delete(_ removal: Removal<Config>) throws(CNIError) {
    guard let config = removal.config?.etcd else { return try host.delete(removal) }
    var problems: [CNIError] = []
    var own = removal
    own.config?.nestedPlugin = nil
    attempt(&problems) { () throws(CNIError) in
      try host.delete(own)
      let network = removal.owner.network
      guard
        removal.config?.floatingIPs.isEmpty == false || SharedFloatingAddresses.wereUsed(on: network, state: state)
      else { return }
      // After the rules: another host must not take an address while this one still has it.
      let shared = try shared(config, network)
      var store = try connect(config.etcd)
      let lock = try shared.lock()
      defer { _ = lock }
      try shared.release(of: removal.owner, in: &store)
    }
    if let nestedPlugin = removal.config?.nestedPlugin {
      attempt(&problems) { () throws(CNIError) in try removal.delegates.run(nestedPlugin, .del) }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  func collectGarbage(_ network: NetworkCall<Config>, valid: Set<ValidAttachments.Attachment>) throws(CNIError) {
    try host.collectGarbage(network, valid: valid)
    guard let config = network.config.etcd else { return }
    let shared = try shared(config, network.name)
    var store = try connect(config.etcd)
    let lock = try shared.lock()
    defer { _ = lock }
    try shared.collectGarbage(except: valid.owners(on: network.name), in: &store)
  }

  func status(_ network: NetworkCall<Config>) throws(CNIError) {
    if let config = network.config.etcd {
      do throws(CNIError) {
        let shared = try shared(config, network.name)
        var store = try connect(config.etcd)
        try shared.probe(&store)
      } catch { throw error.ofStatus }
    }
    try host.status(network)
  }

  private func shared(_ config: SharingConfig, _ network: NetworkName) throws(CNIError) -> SharedFloatingAddresses {
    try SharedFloatingAddresses(config, of: network, state: state)
  }
}
