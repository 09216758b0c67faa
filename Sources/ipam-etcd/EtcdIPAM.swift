import CNI
import Etcd
import IPAM
import NetTypes
import PluginKit

/// Hands out addresses of ranges that many hosts share; stores the leases in etcd.
struct EtcdIPAM<Store: EtcdStore & ~Copyable>: Plugin {
  typealias Config = EtcdIPAMConfig

  static var name: String { "ipam-etcd" }
  static var isIPAMPlugin: Bool { true }
  /// The namespace is not used, so any path will do.
  static var namespaceRule: NamespaceRule { .any }

  private let connect: @Sendable (EtcdConfig) throws(CNIError) -> Store
  private let readText: @Sendable (String) throws(CNIError) -> String

  /// - Parameters:
  ///   - connect: opens the cluster of a configuration.
  ///   - readText: reads a text file.
  init(
    connecting connect: @escaping @Sendable (EtcdConfig) throws(CNIError) -> Store,
    text readText: @escaping @Sendable (String) throws(CNIError) -> String
  ) {
    self.connect = connect
    self.readText = readText
  }

  func checkSettings(_ call: Call<Config>) throws(CNIError) {
    _ = try call.config.rangeSets()
    _ = try call.config.checkedBlockSize()
    _ = try dns(call.config)
  }

  private func dns(_ config: Config) throws(CNIError) -> DNS? {
    try config.ranges.ipam?.resolvConf.map { path throws(CNIError) in DNS(resolvConf: try readText(path)) }
  }

  func add(_ call: Call<Config>, commit: Commit) throws(CNIError) {
    let config = call.config
    let request = LeaseRequest(
      owner: call.owner, sets: try config.rangeSets(),
      requested: try call.keys.requestedAddresses(call.arguments()).map { $0.address },
      blockSize: try config.checkedBlockSize())
    let dns = try dns(config)
    var leases = try leases(of: call.owner.network, config)
    var random = SystemRandomNumberGenerator()
    let assignments =
      try call.isDryRun
      ? leases.choose(request, using: &random) : leases.allocate(request, using: &random)
    let result = AddResult(
      ips: assignments.compactMap { $0.ip }, routes: config.ranges.ipam?.routes ?? [], dns: dns ?? DNS())
    guard !call.isDryRun else { return try commit(result) }
    do throws(CNIError) {
      try commit(result)
    } catch {
      var errors = [error]
      do throws(CNIError) { try leases.release(call.owner) } catch { errors.append(error) }
      throw CNIError(joining: errors) ?? error
    }
  }

  func check(_ call: Call<Config>) throws(CNIError) {
    let sets = try call.config.rangeSets()
    let resultAddresses = (call.previous?.ips ?? []).map { $0.address.address }
    var leases = try leases(of: call.owner.network, call.config)
    let leased = try leases.addresses(of: call.owner, resultAddresses: resultAddresses)
    let differences = sets.differences(leased: leased, resultAddresses: resultAddresses)
    guard differences.isEmpty else {
      throw CNIError(
        .differences,
        "leases of \(LeaseHolder(call.owner)) in network \(call.owner.network): "
          + differences.joined(separator: "; "))
    }
  }

  /// The keys that locate the leases, so that DEL works although other keys are invalid.
  static func partialConfig(_ configuration: JSONValue) -> EtcdIPAMConfig? {
    try? EtcdIPAMConfig(releasingOnly: JSONReader(configuration))
  }

  func delete(_ removal: Removal<Config>) throws(CNIError) {
    guard let config = removal.config else {
      throw CNIError(
        .invalidNetworkConfig,
        "release the addresses of \(LeaseHolder(removal.owner)): the configuration has no address of etcd: want ipam.endpoints"
      )
    }
    var leases = try leases(of: removal.owner.network, config)
    try leases.release(removal.owner)
  }

  func collectGarbage(
    _ network: NetworkCall<Config>, valid: Set<ValidAttachments.Attachment>
  ) throws(CNIError) {
    var leases = try leases(of: network.name, network.config)
    try leases.releaseAll(except: valid)
  }

  func status(_ network: NetworkCall<Config>) throws(CNIError) {
    let sets = try network.config.rangeSets()
    let full: [RangeSet]
    do throws(CNIError) {
      var leases = try leases(of: network.name, network.config)
      var random = SystemRandomNumberGenerator()
      full = try leases.exhausted(sets, using: &random)
    } catch  where [.tryAgainLater, .etcdRefused].contains(error.code) {
      throw CNIError(.notAvailable, error.message, details: error.details)
    }
    guard !full.isEmpty else { return }
    throw CNIError(
      .notAvailable,
      "network \(network.name): " + full.map { "0 of \($0.capacity) addresses free in \($0)" }.joined(separator: "; "))
  }

  private func leases(of network: NetworkName, _ config: Config) throws(CNIError) -> LeaseTable<Store> {
    let node = try config.node { () throws(CNIError) in try readText("/proc/sys/kernel/hostname") }
    let keys = LeaseKeys(prefix: config.prefix, network: network, node: node)
    return LeaseTable(try connect(config.etcd), keys)
  }
}
