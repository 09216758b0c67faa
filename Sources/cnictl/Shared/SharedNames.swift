import CNI
import CNIRuntime
import Etcd
import EtcdClient
import EtcdRecords
import Names

/// Updates names that hosts share: publishes this host's again if their lease has ended, and gives the other hosts' to the
/// containers here.
///
/// - Parameter lists: networks; those that do not share names are omitted.
/// - Returns: the networks whose containers here got other names.
/// - Throws: all failures; one failure does not stop the rest.
func refreshNames(of lists: [NetworkList]) throws(CNIError) -> [NetworkName] {
  var changed: [NetworkName] = []
  var problems: [CNIError] = []
  for list in lists {
    for plugin in list.plugins {
      do throws(CNIError) {
        guard let names = try RemoteNames(of: list.name, plugin: plugin.config) else { continue }
        var store = EtcdClient(names.config.etcd)
        if try names.refresh(from: &store, warn: warn) { changed.append(list.name) }
      } catch {
        problems.append(CNIError(error.code, "network \(list.name): \(error.message)", details: error.details))
      }
    }
  }
  if let error = CNIError(joining: problems) { throw error }
  return changed
}

/// The same for networks of the configuration directory; all if `chosen` is empty.
func refreshNames(of contents: ConfigDirectory.Contents, named chosen: [NetworkName]) throws(CNIError) {
  let lists = contents.entries.map(\.list).filter { chosen.isEmpty || chosen.contains($0.name) }
  for network in try refreshNames(of: lists) { warn("\(network): names of other hosts were updated") }
}
