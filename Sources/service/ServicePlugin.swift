import CNI
import Etcd
import EtcdRecords
import Kernel
import NetTypes
import PluginKit
import Services

/// The plugin `service`: a chained plugin that shares the container with the network's other hosts, if they use etcd.
struct ServicePlugin<Host: Kernel & ~Copyable, Store: EtcdStore & ~Copyable>: Plugin {
  typealias Config = ServiceConfig

  static var name: String { ServiceDriver.name }
  static var namespaceRule: NamespaceRule { .any }

  static func partialConfig(_ configuration: JSONValue) -> Config? {
    Config.partialConfig(JSONReader(configuration))
  }

  private let host: ChainedPlugin<ServiceDriver, Host>
  private let openKernel: () throws(KernelError) -> Host
  private let connect: (EtcdConfig) throws(CNIError) -> Store
  /// The directory of the state of `SharedServices`.
  private let state: String

  init(
    connect: @escaping (EtcdConfig) throws(CNIError) -> Store, state: String = StatePaths.services,
    on openKernel: @escaping () throws(KernelError) -> Host
  ) {
    host = ChainedPlugin(ServiceDriver(), on: openKernel)
    self.openKernel = openKernel
    self.connect = connect
    self.state = state
  }

  func checkSettings(_ call: Call<Config>) throws(CNIError) { try host.checkSettings(call) }

  func add(_ call: Call<Config>, commit: Commit) throws(CNIError) {
    guard let config = call.config.etcd, !call.isDryRun else { return try host.add(call, commit: commit) }
    try host.checkSettings(call)
    // Before any change: if etcd does not answer, there is nothing to roll back.
    let services = try services(config, call.owner.network)
    var store = try connect(config.etcd)
    let lease = try services.lease(&store)
    var isPublished = false
    do throws(CNIError) {
      try host.add(call) { (result) throws(CNIError) in
        isPublished = true
        var kernel = try open()
        try services.join(call.owner, &store, on: lease, &kernel)
        try commit(result)
      }
    } catch {
      if isPublished {
        do throws(CNIError) {
          var kernel = try open()
          try services.leave(call.owner, &store, &kernel)
        } catch { warn("not rolled back: \(error)") }
      }
      throw error
    }
  }

  func check(_ call: Call<Config>) throws(CNIError) {
    var problems: [CNIError] = []
    attempt(&problems) { () throws(CNIError) in try host.check(call) }
    if let config = call.config.etcd {
      attempt(&problems) { () throws(CNIError) in
        guard try !ServiceSettings.all(call).isEmpty else { return }
        let differences = try differences(config, of: call.owner)
        if !differences.isEmpty { throw CNIError(.differences, differences.joined(separator: "; ")) }
      }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  private func differences(_ config: SharingConfig, of owner: AttachmentID) throws(CNIError) -> [String] {
    var store = try connect(config.etcd), kernel = try open()
    return try services(config, owner.network).differences(of: owner, in: &store, &kernel)
  }

  func delete(_ removal: Removal<Config>) throws(CNIError) {
    guard let config = removal.config?.etcd else { return try host.delete(removal) }
    var problems: [CNIError] = []
    var own = removal
    own.config?.nestedPlugin = nil
    attempt(&problems) { () throws(CNIError) in try host.delete(own) }
    attempt(&problems) { () throws(CNIError) in
      var store = try connect(config.etcd), kernel = try open()
      try services(config, removal.owner.network).leave(removal.owner, &store, &kernel)
    }
    // Releases the address last: another container must not get it while other hosts still send connections to it.
    if let nestedPlugin = removal.config?.nestedPlugin {
      attempt(&problems) { () throws(CNIError) in try removal.delegates.run(nestedPlugin, .del) }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  func collectGarbage(_ network: NetworkCall<Config>, valid: Set<ValidAttachments.Attachment>) throws(CNIError) {
    var problems: [CNIError] = []
    attempt(&problems) { () throws(CNIError) in try host.collectGarbage(network, valid: valid) }
    if let config = network.config.etcd {
      attempt(&problems) { () throws(CNIError) in
        var store = try connect(config.etcd), kernel = try open()
        try services(config, network.name).collectGarbage(except: valid.owners(on: network.name), &store, &kernel)
      }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  func status(_ network: NetworkCall<Config>) throws(CNIError) {
    if let config = network.config.etcd {
      do throws(CNIError) {
        let services = try services(config, network.name)
        var store = try connect(config.etcd)
        try services.probe(&store)
      } catch { throw error.ofStatus }
    }
    try host.status(network)
  }

  private func services(_ config: SharingConfig, _ network: NetworkName) throws(CNIError) -> SharedServices {
    try SharedServices(config, of: network, state: state) { warn($0) }
  }

  private func open() throws(CNIError) -> Host {
    try convertingErrors { () throws(KernelError) in try openKernel() }
  }
}
