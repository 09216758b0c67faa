import HostFilter
import IPAM
import NetTypes
import Netlink
import PluginKit

runPlugin(
  MainPlugin(BridgeDriver()) { (namespaces) throws(KernelError) in
    try LiveKernel.open(containerNamespace: namespaces.container, filter: HostFilter())
  },
  // With the same type of filter, the kernel's code is there once.
  builtIn: BuiltInPlugin(
    HostLocal.onDisk { (path) throws(KernelError) in
      try LiveKernel.open(containerNamespace: path, filter: HostFilter())
    }),
  libraries: LibraryUse(texts: []) { HostFilter.loadsLibraries })
