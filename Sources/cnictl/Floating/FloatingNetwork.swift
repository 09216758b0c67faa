import CNI
import CNIRuntime
import Etcd
import EtcdClient
import EtcdRecords
import HostFilter
import NetTypes
import PacketFilter
import PluginKit

/// A network whose hosts share floating addresses through etcd.
struct FloatingNetwork: Equatable {
  let name: NetworkName
  let config: SharingConfig

  /// `nil` if the list has no `portmap` with the key `etcd`.
  ///
  /// - Throws: code 7 for a key with a wrong value.
  init?(_ list: NetworkList) throws(CNIError) {
    guard let plugin = list.portmap, let config: SharingConfig = try JSONReader(plugin).object("etcd") else {
      return nil
    }
    name = list.name
    self.config = config
  }

  /// Warns about networks whose keys are not valid, and omits them.
  ///
  /// - Throws: code 7 for a name that is not such a network.
  static func all(
    in contents: ConfigDirectory.Contents, named chosen: [NetworkName]
  ) throws(CNIError) -> [FloatingNetwork] {
    var networks: [FloatingNetwork] = []
    for entry in contents.entries where chosen.isEmpty || chosen.contains(entry.list.name) {
      do throws(CNIError) {
        if let network = try FloatingNetwork(entry.list) { networks.append(network) }
      } catch { warn("\(entry.file) is left out: \(error)") }
    }
    if let missing = chosen.first(where: { name in !networks.contains { $0.name == name } }) {
      throw CNIError(.invalidNetworkConfig, "network \(missing): want one with the key \"etcd\" of portmap")
    }
    return networks
  }

  func shared() throws(CNIError) -> SharedFloatingAddresses { try SharedFloatingAddresses(config, of: name) }

  /// The floating addresses of its containers on this host.
  func held() throws(CNIError) -> [SharedFloatingAddresses.Held] {
    try AssignedAddress.all().filter { $0.owner.network == name }.map {
      SharedFloatingAddresses.Held($0.float.external, $0.owner)
    }
  }

  /// Renews the lease, puts back lost keys, and takes the addresses that other hosts have from the containers here.
  ///
  /// - Returns: these addresses, and the store's revision when they were read.
  /// - Throws: code 11 if no quorum answers; then no container loses an address.
  func sync() throws(CNIError) -> (released: [SharedFloatingAddresses.Held], revision: Int64) {
    let shared = try shared()
    var store = EtcdClient(config.etcd)
    // Without a container that has one, this host needs no lease.
    if !shared.wereUsed { return ([], try store.read(shared.keys).revision) }
    let lock = try shared.lock()
    defer { _ = lock }
    let (taken, revision) = try shared.exchange(held(), in: &store)
    for one in taken { _ = try FloatingRelease(of: one.address, from: one.owner).carryOut() }
    return (taken, revision)
  }
}

extension NetworkList {
  /// The configuration of its plugin `portmap`.
  var portmap: JSONValue? { plugins.lazy.map(\.config).first { $0.member("type")?.value.string == "portmap" } }
}
