import HostFilter
import IPAM
import NetTypes
import Netlink
import PluginKit

runPlugin(
  MainPlugin(BridgeDriver()) { (namespaces) throws(KernelError) in
    try LiveKernel.open(containerNamespace: namespaces.container, filter: HostFilter())
  }, builtIn: BuiltInPlugin(HostLocal.onDisk(LiveKernel.open)))
