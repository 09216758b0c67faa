import CNI
import EtcdClient
import HostFilter
import Linux
import NetTypes
import Netlink
import PluginKit

runPlugin(
  ServicePlugin(
    connect: { (config) throws(CNIError) in EtcdClient(config) },
    on: { () throws(KernelError) in
      // ADD replaces rules too.
      LateClosing.begin()
      return try LiveKernel.open(containerNamespace: nil, filter: HostFilter())
    }),
  libraries: LibraryUse(texts: ["etcd"]) { false })
