import HostFilter
import Kernel
import Netlink
import PluginKit

runPlugin(
  MainPlugin(BridgeDriver()) { (namespaces) throws(KernelError) in
    try LiveKernel.open(containerNamespace: namespaces.container, filter: HostFilter())
  })
