import HostFilter
import Kernel
import Netlink
import PluginKit

runPlugin(
  MainPlugin(BridgeDriver()) { (path) throws(KernelError) in
    try LiveKernel.open(containerNamespace: path, filter: HostFilter())
  })
