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

  /// `nil` for a plugin that is not `portmap` or does not have the key `etcd`.
  ///
  /// - Throws: code 7 for a key with a wrong value.
  init?(_ name: NetworkName, portmap plugin: JSONValue?) throws(CNIError) {
    guard let plugin, plugin.isPortmap, let config: SharingConfig = try JSONReader(plugin).object("etcd") else {
      return nil
    }
    self.name = name
    self.config = config
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
  /// - Returns: a sentence for each of these addresses.
  /// - Throws: code 11 if no quorum answers; then no container loses an address.
  func sync() throws(CNIError) -> [String] {
    // Without a container that has one, this host needs no lease.
    guard SharedFloatingAddresses.wereUsed(on: name) else { return [] }
    let shared = try shared()
    var store = EtcdClient(config.etcd)
    let lock = try shared.lock()
    defer { _ = lock }
    let taken = try shared.exchange(held(), in: &store)
    var problems: [CNIError] = []
    for one in taken {
      do throws(CNIError) { _ = try FloatingRelease(of: one.address, from: one.owner).carryOut() } catch {
        problems.append(error)
      }
    }
    if let error = CNIError(joining: problems) { throw error }
    return taken.map {
      "\($0.address): another host has it: taken from \($0.owner.container) \($0.owner.network) \($0.owner.interface)"
    }
  }
}

extension NetworkList {
  /// The configuration of its plugin `portmap`.
  var portmap: JSONValue? { plugins.lazy.map(\.config).first { $0.isPortmap } }
}

extension JSONValue {
  fileprivate var isPortmap: Bool {
    member("type")?.value.string.map { ["portmap", "mesos-cni-port-mapper"].contains($0) } ?? false
  }
}
