import IPAM
import NetTypes
import Netlink
import Nftables
import PluginKit

runPlugin(
  MainPlugin(MacvlanDriver()) { (namespaces) throws(KernelError) in
    try LiveKernel.open(
      containerNamespace: namespaces.container, filter: ContainerFilter(namespace: namespaces.container))
  },
  // With the same type of filter, the kernel's code is there once.
  builtIn: BuiltInPlugin(
    HostLocal.onDisk { (path) throws(KernelError) in
      try LiveKernel.open(containerNamespace: path, filter: ContainerFilter(namespace: path))
    }))
