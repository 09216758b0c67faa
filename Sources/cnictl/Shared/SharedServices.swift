import CNI
import CNIRuntime
import Etcd
import EtcdClient
import EtcdRecords
import HostFilter
import Kernel
import NetTypes
import Netlink
import Services

/// Updates services that hosts share: publishes this host's back-ends again if their lease has ended, and renews the rules
/// for those of other hosts.
///
/// - Parameters:
///   - contents: the configuration directory; networks that do not share services are omitted.
///   - chosen: names of networks; empty: all.
/// - Throws: all failures; one failure does not stop the rest.
func refreshServices(of contents: ConfigDirectory.Contents, named chosen: [NetworkName]) throws(CNIError) {
  var problems: [CNIError] = []
  for list in contents.entries.map(\.list) where chosen.isEmpty || chosen.contains(list.name) {
    for plugin in list.plugins {
      do throws(CNIError) {
        guard let remote = try RemoteServices(of: list.name, plugin: plugin.config) else { continue }
        if try refresh(remote) { warn("\(list.name): back-ends of other hosts were updated") }
      } catch {
        problems.append(CNIError(error.code, "network \(list.name): \(error.message)", details: error.details))
      }
    }
  }
  if let error = CNIError(joining: problems) { throw error }
}

func refresh(_ remote: RemoteServices) throws(CNIError) -> Bool {
  let services = try SharedServices(remote.config, of: remote.network, warn: warn)
  var store = EtcdClient(remote.config.etcd)
  var kernel = try convertingErrors { () throws(KernelError) in
    try LiveKernel.open(containerNamespace: nil, filter: HostFilter())
  }
  return try services.refresh(from: &store, &kernel)
}
