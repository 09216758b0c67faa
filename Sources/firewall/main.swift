import HostFilter
import Kernel
import Netlink
import PluginKit

runPlugin(
  ChainedPlugin(FirewallDriver()) { () throws(KernelError) in
    try LiveKernel.open(containerNamespace: nil, filter: HostFilter())
  })
