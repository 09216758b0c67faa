import IPAM
import NetTypes
import Netlink
import PluginKit

runPlugin(
  MainPlugin(ChildLinkDriver<VLANConfig>()) { (namespaces) throws(KernelError) in
    try LiveKernel.open(containerNamespace: namespaces.container)
  }, builtIn: BuiltInPlugin(HostLocal.onDisk(LiveKernel.open)))
