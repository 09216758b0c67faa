import HostFilter
import NetTypes
import Netlink
import PluginKit

runPlugin(
  ChainedPlugin(ServiceDriver()) { () throws(KernelError) in
    try LiveKernel.open(containerNamespace: nil, filter: HostFilter())
  })
