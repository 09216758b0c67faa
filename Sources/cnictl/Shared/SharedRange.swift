import CNI
import CNIRuntime
import Etcd
import EtcdClient
import EtcdRecords
import Names
import NetTypes
import Services

/// Keys of a network in etcd that its hosts share, and what follows from them on this host.
struct SharedRange {
  let network: NetworkName
  let config: SharingConfig
  let keys: EtcdKeys
  /// Brings etcd and this host in line; returns sentences about what changed here.
  let apply: () throws(CNIError) -> [String]
  /// Whether an event may change something here.
  let concerns: (EtcdEvents.Event) throws(CNIError) -> Bool

  /// Those of all plugins with the key `etcd`; warns about configurations that cannot be used, and omits them.
  ///
  /// - Throws: code 7 for a name that is not such a network.
  static func all(in contents: ConfigDirectory.Contents, named chosen: [NetworkName]) throws(CNIError) -> [SharedRange]
  {
    var ranges: [SharedRange] = []
    for entry in contents.entries where chosen.isEmpty || chosen.contains(entry.list.name) {
      for plugin in entry.list.plugins {
        do throws(CNIError) {
          ranges += try [
            floats(entry.list.name, plugin.config), services(entry.list.name, plugin.config),
            names(entry.list.name, plugin.config),
          ].compactMap(\.self)
        } catch { warn("\(entry.file) is left out: \(error)") }
      }
    }
    if let missing = chosen.first(where: { name in !ranges.contains { $0.network == name } }) {
      throw CNIError(
        .invalidNetworkConfig, "network \(missing): want one with the key \"etcd\" in service, dns-hosts or portmap")
    }
    return ranges
  }

  private static func floats(_ name: NetworkName, _ plugin: JSONValue) throws(CNIError) -> SharedRange? {
    guard let network = try FloatingNetwork(name, portmap: plugin) else { return nil }
    let shared = try network.shared()
    return SharedRange(
      network: name, config: network.config, keys: shared.keys, apply: { () throws(CNIError) in try network.sync() },
      concerns: { (event) throws(CNIError) in shared.concerns(event, try network.held()) })
  }

  private static func services(_ name: NetworkName, _ plugin: JSONValue) throws(CNIError) -> SharedRange? {
    guard let remote = try RemoteServices(of: name, plugin: plugin) else { return nil }
    let services = try SharedServices(remote.config, of: name, warn: warn)
    return SharedRange(
      network: name, config: remote.config, keys: services.keys,
      apply: { () throws(CNIError) in try refresh(remote) ? ["\(name): back-ends of other hosts were updated"] : [] },
      concerns: { (event) in services.isByOthers(event) })
  }

  private static func names(_ name: NetworkName, _ plugin: JSONValue) throws(CNIError) -> SharedRange? {
    guard let remote = try RemoteNames(of: name, plugin: plugin) else { return nil }
    let names = try SharedNames(remote.config, of: name, warn: warn)
    return SharedRange(
      network: name, config: remote.config, keys: names.keys,
      apply: { () throws(CNIError) in
        var store = EtcdClient(remote.config.etcd)
        return try remote.refresh(from: &store, warn: warn) ? ["\(name): names of other hosts were updated"] : []
      },
      concerns: { (event) in names.isByOthers(event) })
  }
}
