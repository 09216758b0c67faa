import HostFilter
import Linux
import NetTypes
import Netlink
import PluginKit

runPlugin(
  ChainedPlugin(ServiceDriver()) { () throws(KernelError) in
    // ADD replaces rules too.
    LateClosing.begin()
    return try LiveKernel.open(containerNamespace: nil, filter: HostFilter())
  })
