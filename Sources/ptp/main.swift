import HostFilter
import IPAM
import NetTypes
import Netlink
import PluginKit

runPlugin(
  MainPlugin(PTPDriver(), peerNamespace: { $0.peerNamespace }) { (namespaces) throws(KernelError) in
    try LiveKernel.open(containerNamespace: namespaces.container, peerPath: namespaces.peerPath, filter: HostFilter())
  },
  // With the same type of filter, the kernel's code is there once.
  builtIn: BuiltInPlugin(
    HostLocal.onDisk { (path) throws(KernelError) in
      try LiveKernel.open(containerNamespace: path, filter: HostFilter())
    }),
  libraries: LibraryUse(texts: []) { HostFilter.loadsLibraries })
