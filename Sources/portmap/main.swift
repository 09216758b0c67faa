import CNI
import EtcdClient
import HostFilter
import NetTypes
import Netlink
import PluginKit

runPlugin(
  PortmapPlugin(
    connect: { (config) throws(CNIError) in EtcdClient(config) },
    on: { () throws(KernelError) in try LiveKernel.open(containerNamespace: nil, filter: HostFilter()) }),
  libraries: LibraryUse(texts: ["conditionsV4", "conditionsV6", "etcd"]) { HostFilter.loadsLibraries })
