import CNI
import EtcdClient
import HostFilter
import IPAM
import NetTypes
import Netlink
import Overlay
import PluginKit

runPlugin(
  OverlayPlugin(
    EtcdControlPlane(warn: warn) { (config) throws(CNIError) in EtcdClient(config) }
  ) { (namespaces) throws(KernelError) in
    try LiveKernel.open(containerNamespace: namespaces.container, filter: HostFilter())
  },
  // With the same type of filter, the kernel's code is there once.
  builtIn: BuiltInPlugin(
    HostLocal.onDisk { (path) throws(KernelError) in
      try LiveKernel.open(containerNamespace: path, filter: HostFilter())
    }),
  libraries: LibraryUse(texts: ["etcd"]) { HostFilter.loadsLibraries })
