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
  /// The directory of the leases.
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
    let addresses = try PortmapSettings(call.config).floatingIPs.map { $0.address }
    guard let config = call.config.etcd, !addresses.isEmpty, !call.isDryRun else {
      return try host.add(call, commit: commit)
    }
    // Before any change: if another host has an address, or etcd does not answer, there is nothing to roll back.
    let claims = try claims(config, call.owner.network)
    var store = try connect(config.etcd)
    let taken = try claims.take(addresses, for: call.owner, in: &store)
    do throws(CNIError) { try host.add(call, commit: commit) } catch {
      do throws(CNIError) { try claims.giveBack(taken, of: call.owner, in: &store) } catch {
        warn("not rolled back: \(error)")
      }
      throw error
    }
  }

  func check(_ call: Call<Config>) throws(CNIError) {
    var problems: [CNIError] = []
    attempt(&problems) { () throws(CNIError) in try host.check(call) }
    if let config = call.config.etcd {
      attempt(&problems) { () throws(CNIError) in
        let addresses = try PortmapSettings(call.config).floatingIPs.map { $0.address }
        guard !addresses.isEmpty else { return }
        var store = try connect(config.etcd)
        let found = try claims(config, call.owner.network).differences(addresses, of: call.owner, in: &store)
        if !found.isEmpty { throw CNIError(.differences, found.joined(separator: "; ")) }
      }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  func delete(_ removal: Removal<Config>) throws(CNIError) {
    var problems: [CNIError] = []
    attempt(&problems) { () throws(CNIError) in try host.delete(removal) }
    if let config = removal.config?.etcd {
      // After the rules: another host must not take the address while this one still has it.
      attempt(&problems) { () throws(CNIError) in
        var store = try connect(config.etcd)
        try claims(config, removal.owner.network).release(from: &store) { $0 == removal.owner }
      }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  func collectGarbage(_ network: NetworkCall<Config>, valid: Set<ValidAttachments.Attachment>) throws(CNIError) {
    var problems: [CNIError] = []
    attempt(&problems) { () throws(CNIError) in try host.collectGarbage(network, valid: valid) }
    if let config = network.config.etcd {
      let owners = valid.map { AttachmentID(network: network.name, container: $0.containerID, interface: $0.ifname) }
      attempt(&problems) { () throws(CNIError) in
        var store = try connect(config.etcd)
        try claims(config, network.name).release(from: &store) { $0.network == network.name && !owners.contains($0) }
      }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  func status(_ network: NetworkCall<Config>) throws(CNIError) {
    if let config = network.config.etcd {
      do throws(CNIError) {
        let claims = try claims(config, network.name)
        var store = try connect(config.etcd)
        try claims.probe(&store)
      } catch {
        throw error.code == .invalidNetworkConfig
          ? error : CNIError(.notAvailable, error.message, details: error.details)
      }
    }
    try host.status(network)
  }

  private func claims(_ config: SharingConfig, _ network: NetworkName) throws(CNIError) -> FloatingClaims {
    try FloatingClaims(config, of: network, state: state)
  }
}
