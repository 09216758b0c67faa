import CNI
import IPAM
import NetTypes
import Netlink
import Nftables
import PluginKit

runPlugin(
  MainPlugin(
    ChildLinkDriver<IPVLANConfig>(),
    chainInput: { (config, settings, previous) throws(CNIError) in try config.chainInput(settings, previous) }
  ) { (namespaces) throws(KernelError) in
    try LiveKernel.open(
      containerNamespace: namespaces.container, filter: ContainerFilter(namespace: namespaces.container))
  },
  // With the same type of filter, the kernel's code is there once.
  builtIn: BuiltInPlugin(
    HostLocal.onDisk { (path) throws(KernelError) in
      try LiveKernel.open(containerNamespace: path, filter: ContainerFilter(namespace: path))
    }))
